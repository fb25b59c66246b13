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

mod crowd;
mod disk;
mod echo;
mod report;
mod switch;

use clap::{Parser, Subcommand};
use fiber::runtime::Runtime;
use report::Measured;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures fiber.
#[derive(Parser)]
#[command(name = "fiber-bench")]
struct Arguments {
    /// Threads that run fibers
    #[arg(long, global = true, default_value_t = 2)]
    workers: usize,

    /// Bind each worker to a processor
    #[arg(long, global = true)]
    pin: bool,

    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Fibers that only yield: ns for one yield
    Yield {
        #[arg(long, default_value_t = 1000)]
        tasks: usize,
        #[arg(long, default_value_t = 1000)]
        iters: usize,
    },
    /// Fibers that end at once, spawned and joined in batches: ns for one
    Spawn {
        #[arg(long, default_value_t = 1_000_000)]
        n: usize,
        #[arg(long, default_value_t = 1000)]
        batch: usize,
    },
    /// Two fibers that send each other a message by turns: ns for there and back
    Pingpong {
        #[arg(long, default_value_t = 100_000)]
        rounds: usize,
    },
    /// A tree of fibers with ten children each, whose leaves are added up: ms for the tree
    Skynet {
        /// Leaves, a power of ten
        #[arg(long, default_value_t = 1_000_000)]
        leaves: u64,
    },
    /// Parked fibers: resident bytes for each
    Idle {
        #[arg(long, default_value_t = 100_000)]
        n: usize,
    },
    /// Fibers that sleep for up to a second: the 99th percentile of how late they wake, in us
    Timers {
        #[arg(long, default_value_t = 10_000)]
        n: usize,
    },
    /// Fibers that take one lock: ns for taking and giving it back
    Mutex {
        #[arg(long, default_value_t = 64)]
        tasks: usize,
        #[arg(long, default_value_t = 10_000)]
        iters: usize,
    },
    /// Children that sleep 1 ms and compute 5 us, ten times: ms until all have ended
    Fanout {
        #[arg(long, default_value_t = 1000)]
        children: usize,
        #[arg(long, default_value_t = 10)]
        repeat: usize,
    },
    /// Sends back what it gets until it is killed; with `STALL=1` the first four bytes of each message of `STALL_SIZE` bytes say
    /// for how many ns it computes before that
    EchoServer {
        port: u16,
        /// In place of `--workers`
        workers: Option<usize>,
    },
    /// Random reads of 4 KiB of a file whose blocks begin with their own offset: reads in a second
    Fsread {
        path: PathBuf,
        seconds: f64,
        /// Reads at the same time
        depth: usize,
        /// Past the page cache
        #[arg(long)]
        direct: bool,
    },
}

/// What is asked cannot be done.
const NOT_EXPRESSIBLE: u8 = 3;

fn main() -> ExitCode {
    let Arguments { workers, pin, bench } = Arguments::parse();
    if pin {
        eprintln!("fiber does not bind its workers to processors; start it under `taskset` to restrict all of them");
        return ExitCode::from(NOT_EXPRESSIBLE);
    }
    let workers = match bench {
        Bench::EchoServer { workers: Some(workers), .. } => workers,
        _ => workers,
    };
    let runtime = match Runtime::builder().workers(workers).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.run(move || bench.run()) {
        Ok(measured) => {
            println!("{}", measured.line(workers));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Bench {
    fn run(self) -> Result<Measured, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match self {
            Bench::Yield { tasks, iters } => switch::yields(tasks, iters)?,
            Bench::Spawn { n, batch } => switch::spawn(n, batch)?,
            Bench::Pingpong { rounds } => switch::ping_pong(rounds)?,
            Bench::Skynet { leaves } => crowd::skynet(leaves)?,
            Bench::Idle { n } => crowd::idle(n)?,
            Bench::Timers { n } => crowd::timers(n)?,
            Bench::Mutex { tasks, iters } => switch::mutex(tasks, iters)?,
            Bench::Fanout { children, repeat } => crowd::fanout(children, repeat)?,
            Bench::EchoServer { port, .. } => echo::serve(port)?,
            Bench::Fsread { path, seconds, depth, direct } => disk::random_reads(&path, seconds, depth, direct)?,
        })
    }
}
