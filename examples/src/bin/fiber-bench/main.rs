//! Small measurements of the runtime, one line of JSON each, for harnesses that compare runtimes.
//!
//! ```sh
//! cargo build --release --bin fiber-bench
//! target/release/fiber-bench --workers 1 yield --tasks 1000 --iters 1000
//! ```
//!
//! prints `{"runtime":"fiber","bench":"yield","params":{..},"value":..,"unit":"ns","extra":{..}}`. `value` is a time for one
//! operation where the unit is `ns`, and all that `extra` has are numbers. The exit status is 3 where fiber has no way to do
//! what is asked.

mod command;
mod crowd;
mod disk;
mod echo;
mod protocol;
mod report;
mod switch;

use clap::Parser;
use command::{Arguments, Bench};
use fiber::runtime::Runtime;
use protocol::Protocol;
use report::Measured;
use std::error::Error;
use std::process::ExitCode;

/// What is asked cannot be done.
const NOT_EXPRESSIBLE: u8 = 3;

fn main() -> ExitCode {
    let Arguments { workers, pin, bench } = Arguments::parse();
    if pin {
        eprintln!("fiber does not bind its workers to processors; start it under `taskset` to restrict all of them");
        return ExitCode::from(NOT_EXPRESSIBLE);
    }
    let workers = match bench {
        Bench::EchoServer { workers: Some(workers), .. } | Bench::HttpServer { workers: Some(workers), .. } => workers,
        _ => workers,
    };
    match run(bench, workers) {
        Ok(measured) => {
            println!("{}", measured.line("fiber", workers));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench, workers: usize) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    let builder = Runtime::builder().workers(workers);
    if let Bench::Start { repeat } = bench {
        return Ok(report::starts(repeat, || builder.clone().build().map(|runtime| runtime.run(|| ())))?);
    }
    builder.build()?.run(move || {
        Ok(match bench {
            Bench::Yield { tasks, iters } => switch::yields(tasks, iters)?,
            Bench::Spawn { n, batch } => switch::spawn(n, batch)?,
            Bench::Pingpong { rounds } => switch::ping_pong(rounds)?,
            Bench::Skynet { leaves } => crowd::skynet(leaves)?,
            Bench::Idle { n, settle } => crowd::idle(n, settle)?,
            Bench::Timers { n } => crowd::timers(n)?,
            Bench::Mutex { tasks, iters } => switch::mutex(tasks, iters)?,
            Bench::Fanout { children, repeat } => crowd::fanout(children, repeat)?,
            Bench::EchoServer { port, .. } => echo::serve(port, Protocol::from_environment()?)?,
            Bench::HttpServer { port, .. } => echo::serve(port, Protocol::Http)?,
            Bench::Start { .. } => unreachable!("it needs no runtime around it"),
            Bench::Fsread { path, seconds, depth, direct } => disk::random_reads(&path, seconds, depth, direct)?,
        })
    })
}
