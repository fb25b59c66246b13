//! Keeps programs running: starts them, forwards what they say and the signals that it gets, and starts them again when they fail.
//!
//! ```sh
//! cargo run --release --bin supervisor -- 'clock=while sleep 1; do date; done' 'flaky=sleep 2; exit 1'
//! ```
//!
//! Ctrl-C, or `SIGTERM`, goes to all of them; those that have not ended some seconds later are killed. `SIGHUP`, `SIGUSR1` and
//! `SIGUSR2` are only forwarded.
//!
//! Each program has a fiber that starts it and waits for what happens next, its end or an order, and three more that wait for its end
//! and for its two outputs. No thread waits for anything.

use clap::Parser;
use fiber::io::{self, BufRead, BufReader, Read};
use fiber::os::unix::process::{ChildExt, CommandExt};
use fiber::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use fiber::signal::{Signal, Signals};
use fiber::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use fiber::time::Instant;
use std::str::FromStr;
use std::time::Duration;

/// Runs programs and sees to them.
#[derive(Parser)]
struct Arguments {
    /// Programs, each a name and a line for the shell: `NAME=COMMAND`
    #[arg(required = true, value_name = "PROGRAM")]
    programs: Vec<Program>,

    /// How often a program that fails is started again
    #[arg(long, default_value_t = 3)]
    restarts: u32,

    /// Milliseconds before it is
    #[arg(long, default_value_t = 500)]
    pause: u64,

    /// Milliseconds that programs get to end after an interrupt
    #[arg(long, default_value_t = 5000)]
    grace: u64,
}

#[derive(Clone)]
struct Program {
    name: String,
    command: String,
}

impl FromStr for Program {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Program, &'static str> {
        let (name, command) = text.split_once('=').ok_or("a program is given as NAME=COMMAND")?;
        Ok(Program { name: name.to_owned(), command: command.to_owned() })
    }
}

/// What a program's fiber waits for.
enum Event {
    /// A signal for it to forward.
    Signal(Signal),
    /// Its process has ended.
    Ended,
    /// Nobody is left who could send anything.
    NoMore,
    /// The time is over.
    Late,
}

/// One program under supervision.
struct Watch {
    program: Program,
    restarts: u32,
    pause: Duration,
    grace: Duration,
    events: Receiver<Event>,
    to_self: Sender<Event>,
    /// When to kill it, once it was told to end.
    deadline: Option<Instant>,
}

impl Watch {
    fn say(&self, what: &str) {
        fiber::println!("{} * {what}", self.program.name);
    }

    /// Runs the program until it need not be started again. Whether it ended well, or because it was told to.
    fn run(mut self) -> io::Result<bool> {
        loop {
            let status = self.run_once()?;
            self.say(&format!("ended: {status}"));
            if status.success() || self.deadline.is_some() {
                return Ok(true);
            }
            if self.restarts == 0 {
                return Ok(false);
            }
            self.restarts -= 1;
            if !self.wait_before_restart() {
                return Ok(true);
            }
        }
    }

    fn run_once(&mut self) -> io::Result<ExitStatus> {
        // A group of its own: what the terminal sends goes to us alone, and what we send, to all that it starts.
        let mut child = Command::new("sh")
            .args(["-c", &self.program.command])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        self.say(&format!("started as {}", child.id()));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let name = &*self.program.name.clone();
        fiber::scope(|scope| {
            scope.spawn(|| forward(name, "|", stdout));
            scope.spawn(|| forward(name, "!", stderr));
            self.see_to(&child);
            // What it left behind would keep the outputs open. Its number has waited for us: up to here no signal can go astray.
            let _ = child.send_process_group_signal(Signal::SIGKILL.as_raw());
            child.wait()
        })
    }

    /// Forwards signals until the process has ended.
    fn see_to(&mut self, child: &Child) {
        let to_self = self.to_self.clone();
        fiber::scope(|scope| {
            scope.spawn(move || {
                let _ = child.ended();
                let _ = to_self.send(Event::Ended);
            });
            loop {
                let signal = match self.next(self.deadline) {
                    Event::Ended | Event::NoMore => return,
                    Event::Late => {
                        self.say("too late: killed");
                        // Only once.
                        self.deadline = Some(Instant::now() + Duration::from_secs(3600));
                        Signal::SIGKILL
                    }
                    Event::Signal(signal) => {
                        if ends(signal) {
                            self.deadline.get_or_insert(Instant::now() + self.grace);
                        }
                        signal
                    }
                };
                if let Err(error) = child.send_process_group_signal(signal.as_raw()) {
                    self.say(&format!("{signal} could not be sent: {error}"));
                }
            }
        });
    }

    /// Whether it is to be started again.
    fn wait_before_restart(&mut self) -> bool {
        let end = Instant::now() + self.pause;
        loop {
            match self.next(Some(end)) {
                Event::Signal(signal) if ends(signal) => return false,
                Event::Late => return true,
                Event::Signal(_) | Event::Ended | Event::NoMore => (),
            }
        }
    }

    fn next(&self, deadline: Option<Instant>) -> Event {
        let Some(deadline) = deadline else {
            return self.events.recv().unwrap_or(Event::NoMore);
        };
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Late,
            Err(RecvTimeoutError::Disconnected) => Event::NoMore,
        }
    }
}

/// Whether programs are to end after this signal.
fn ends(signal: Signal) -> bool {
    matches!(signal, Signal::SIGINT | Signal::SIGTERM)
}

/// Prints each line with the program's name before it.
fn forward(name: &str, mark: &str, from: Option<impl Read>) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        fiber::println!("{name} {mark} {}", String::from_utf8_lossy(line.trim_ascii_end()));
        line.clear();
    }
}

#[fiber::task]
fn supervise(watch: Watch) -> bool {
    let name = watch.program.name.clone();
    watch.run().unwrap_or_else(|error| {
        fiber::eprintln!("{name}: {error}");
        false
    })
}

#[fiber::task]
fn forward_signals(signals: Signals, to: Vec<Sender<Event>>) {
    for signal in signals {
        fiber::println!("* {signal}");
        for program in &to {
            // One that has ended for good hears nothing.
            let _ = program.send(Event::Signal(signal));
        }
    }
}

#[fiber::main]
fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let all = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
    let signals = Signals::new(all)?;
    let (mut inboxes, mut programs) = (Vec::new(), Vec::new());
    for program in arguments.programs {
        let (to_self, events) = channel();
        inboxes.push(to_self.clone());
        programs.push(supervise::spawn(Watch {
            program,
            restarts: arguments.restarts,
            pause: Duration::from_millis(arguments.pause),
            grace: Duration::from_millis(arguments.grace),
            events,
            to_self,
            deadline: None,
        }));
    }
    let forwarding = forward_signals::spawn(signals, inboxes);
    let well = programs.into_iter().map(|program| program.join().unwrap_or(false)).filter(|well| !well).count() == 0;
    forwarding.cancel();
    fiber::println!("* all have ended");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
