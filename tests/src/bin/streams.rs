//! The standard streams under test: a program on one worker that reads its input and writes its output.

use clap::{Parser, ValueEnum};
use fiber::io::{self, BufRead, ErrorKind, Write};
use fiber::runtime::{Handle, Reason, State};
use fiber::time::{sleep, timeout};
use std::time::Duration;

/// Reads standard input, writes standard output.
#[derive(Parser)]
struct Arguments {
    mode: Mode,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Says that others run while the input is awaited, then gives the lines back in upper case, and ends without a line end.
    Upper,
    /// Gives up waiting for the first line, and then reads it.
    Timeout,
    /// Fifty fibers write two lines at a time.
    Many,
    /// Writes without end until that fails.
    Flood,
    /// Ends in the middle of a line, by `exit` on a fiber.
    Exit,
}

/// Waits until a fiber is suspended for this reason.
fn until_waiting(reason: Reason) {
    let waits = || {
        let dump = Handle::try_current().expect("a runtime").dump();
        dump.fibers().iter().any(|fiber| fiber.state() == State::Waiting(reason))
    };
    while !waits() {
        sleep(Duration::from_millis(1));
    }
}

fn upper() -> io::Result<()> {
    let witness = fiber::spawn(|| {
        until_waiting(Reason::Stdin);
        fiber::println!("others run");
    });
    let mut lines = 0;
    for line in io::stdin().lines() {
        fiber::println!("{}", line?.to_uppercase());
        lines += 1;
    }
    // A file is never waited for.
    witness.cancel();
    let _ = witness.join();
    fiber::print!("{lines} lines");
    Ok(())
}

fn give_up_first() -> io::Result<()> {
    let mut line = String::new();
    let late = timeout(Duration::from_millis(20), || io::stdin().read_line(&mut line)).expect("an error is returned");
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    fiber::println!("gave up");
    io::stdin().lock().read_line(&mut line)?;
    fiber::println!("then read {}", line.trim_end());
    Ok(())
}

fn many() {
    fiber::scope(|scope| {
        for writer in 0..50 {
            scope.spawn(move || {
                for round in 0..20 {
                    let mut stdout = io::stdout().lock();
                    writeln!(stdout, "{writer} {round} {}", "x".repeat(1000)).expect("somebody reads");
                    fiber::yield_now();
                    fiber::println!("{writer} {round} again");
                }
            });
        }
    });
}

fn flood() {
    let mut written = 0;
    let error = loop {
        match io::stdout().write_all(&[b'x'; 10_000]) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    fiber::eprintln!("{:?} after {}", error.kind(), if written > 0 { "something" } else { "nothing" });
}

#[fiber::main(workers = 1)]
fn main() -> io::Result<()> {
    match Arguments::parse().mode {
        Mode::Upper => upper()?,
        Mode::Timeout => give_up_first()?,
        Mode::Many => many(),
        Mode::Flood => flood(),
        Mode::Exit => {
            let _held = io::stdout().lock();
            fiber::print!("half a line");
            fiber::process::exit(3);
        }
    }
    Ok(())
}
