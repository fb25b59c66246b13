//! Small measurements of the runtime, one line of JSON each, for harnesses that compare runtimes.
//!
//! ```sh
//! cargo build --release --bin fiber-bench
//! target/release/fiber-bench --workers 1 yield --tasks 1000 --iters 1000
//! ```
//!
//! prints `{"runtime":"fiber","bench":"yield","params":{..},"value":..,"unit":"ns","extra":{..}}`. `value` is a time for one
//! operation where the unit is `ns`, and all that `extra` has are numbers.
//!
//! The exit status is 1 where something fails: a port is taken, memory does not suffice, a file is not what it should be. It is 2 where
//! the arguments make no sense, and 3 where fiber has no way to do what is asked. Standard error says what it was.

mod command;
mod crowd;
mod disk;
mod echo;
mod memory;
mod protocol;
mod report;
mod switch;

use clap::Parser;
use command::{Arguments, Bench};
use fiber::runtime::Runtime;
use protocol::Protocol;
use report::Measured;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

/// What is asked cannot be done.
const NOT_EXPRESSIBLE: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let workers = arguments.workers().unwrap_or_else(|error| error.exit());
    if arguments.pin {
        eprintln!(
            "fiber-bench: fiber does not bind its workers to processors; start it under `taskset` to restrict all of them"
        );
        return ExitCode::from(NOT_EXPRESSIBLE);
    }
    match run(arguments.bench, workers) {
        Ok(measured) => {
            println!("{}", measured.line("fiber", workers));
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

/// Says why there is no number, and ends the process: from a fiber too, because the others may be many, or wait for ever.
fn fail(error: impl Display) -> ! {
    eprintln!("fiber-bench: {error}");
    std::process::exit(1)
}

fn run(bench: Bench, workers: usize) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    memory::check(&bench)?;
    let builder = Runtime::builder().workers(workers);
    if let Bench::Start { repeat } = bench {
        return Ok(report::starts(repeat, || builder.clone().build().map(|runtime| runtime.run(|| ())))?);
    }
    let runtime = builder.build()?;
    Ok(runtime.run(move || measure(bench).unwrap_or_else(|error| fail(error))))
}

fn measure(bench: Bench) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    Ok(match bench {
        Bench::Yield { tasks, iters } => switch::yields(tasks, iters),
        Bench::Spawn { n, batch } => switch::spawn(n, batch),
        Bench::Pingpong { rounds } => switch::ping_pong(rounds),
        Bench::Skynet { leaves } => crowd::skynet(leaves),
        Bench::Idle { n, settle } => crowd::idle(n, settle)?,
        Bench::Timers { n } => crowd::timers(n)?,
        Bench::Mutex { tasks, iters } => switch::mutex(tasks, iters),
        Bench::Fanout { children, repeat } => crowd::fanout(children, repeat),
        Bench::EchoServer { port, .. } => echo::serve(port, Protocol::from_environment()?)?,
        Bench::HttpServer { port, .. } => echo::serve(port, Protocol::Http)?,
        Bench::Start { .. } => unreachable!("it needs no runtime around it"),
        Bench::Fsread { path, seconds, depth, direct } => disk::random_reads(&path, seconds, depth, direct)?,
    })
}
