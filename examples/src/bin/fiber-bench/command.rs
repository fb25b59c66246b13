//! What can be measured, as the command line says it.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Parser)]
/// Small measurements of a runtime, one line of JSON each
#[command(name = "fiber-bench", version)]
pub(crate) struct Arguments {
    /// Threads that run what is measured [default: 2]
    #[arg(long, global = true, value_parser = count)]
    workers: Option<usize>,

    /// Bind each worker to a processor; ends with status 3 where the runtime does not do that
    #[arg(long, global = true)]
    pub(crate) pin: bool,

    #[command(subcommand)]
    pub(crate) bench: Bench,
}

impl Arguments {
    /// Threads that run what is measured.
    pub(crate) fn workers(&self) -> Result<usize, clap::Error> {
        let positional = match self.bench {
            Bench::EchoServer { workers, .. } | Bench::HttpServer { workers, .. } => workers,
            _ => None,
        };
        match (self.workers, positional) {
            (Some(option), Some(positional)) if option != positional => {
                let both =
                    format!("--workers {option} and WORKERS {positional} contradict each other: give one of them");
                Err(Arguments::command().error(ErrorKind::ArgumentConflict, both))
            }
            (option, positional) => Ok(option.or(positional).unwrap_or(2)),
        }
    }
}

#[derive(Clone, Subcommand)]
pub(crate) enum Bench {
    /// Fibers that only yield: ns for one yield
    Yield {
        /// Fibers that take turns
        #[arg(long, value_parser = count, default_value_t = 1000)]
        tasks: usize,
        /// Yields of each
        #[arg(long, value_parser = count, default_value_t = 1000)]
        iters: usize,
    },
    /// Fibers that end at once, spawned and joined in batches: ns for one
    Spawn {
        /// Fibers in all
        #[arg(long, value_parser = count, default_value_t = 1_000_000)]
        n: usize,
        /// How many are spawned before they are joined
        #[arg(long, value_parser = count, default_value_t = 1000)]
        batch: usize,
    },
    /// Two fibers that send each other a message by turns: ns for there and back
    Pingpong {
        /// Messages that each sends; `extra.apart` is 1 where the two ran on different workers
        #[arg(long, value_parser = count, default_value_t = 100_000)]
        rounds: usize,
    },
    /// A tree of fibers with ten children each, whose leaves are added up: ms for the tree
    Skynet {
        /// Leaves, a power of ten
        #[arg(long, value_parser = power_of_ten, default_value_t = 1_000_000)]
        leaves: u64,
    },
    /// Parked fibers: resident bytes for each
    Idle {
        /// Fibers
        #[arg(long, value_parser = count, default_value_t = 100_000)]
        n: usize,
        /// Look again so many seconds after they have ended
        #[arg(long, default_value_t = 0)]
        settle: u64,
    },
    /// Fibers that sleep for up to a second: the 99th percentile of how late they wake, in us
    Timers {
        /// Fibers
        #[arg(long, value_parser = count, default_value_t = 10_000)]
        n: usize,
    },
    /// Fibers that take one lock: ns for taking and giving it back
    Mutex {
        /// Fibers
        #[arg(long, value_parser = count, default_value_t = 64)]
        tasks: usize,
        /// How often each takes it
        #[arg(long, value_parser = count, default_value_t = 10_000)]
        iters: usize,
    },
    /// Children that sleep 1 ms and compute 5 us, ten times: ms until all have ended
    Fanout {
        /// Fibers
        #[arg(long, value_parser = count, default_value_t = 1000)]
        children: usize,
        /// Times that it is done; the median counts
        #[arg(long, value_parser = count, default_value_t = 10)]
        repeat: usize,
    },
    /// Sends back what it gets until it is killed; with `STALL=1` the first four bytes of each message of `STALL_SIZE` bytes (64) say
    /// for how many ns it computes before that
    EchoServer {
        /// On 127.0.0.1; 0 is one of the system's choice
        port: u16,
        /// The same as `--workers`
        #[arg(id = "positional", value_name = "WORKERS")]
        workers: Option<usize>,
    },
    /// Answers requests of HTTP/1.1 with `Hello, World!` until it is killed
    HttpServer {
        /// On 127.0.0.1; 0 is one of the system's choice
        port: u16,
        /// The same as `--workers`
        #[arg(id = "positional", value_name = "WORKERS")]
        workers: Option<usize>,
    },
    /// The runtime starts, runs nothing and ends: us for that
    Start {
        /// Times that it is done; the median counts
        #[arg(long, value_parser = count, default_value_t = 20)]
        repeat: usize,
    },
    /// Random reads of 4 KiB of a file whose blocks begin with their own offset: reads in a second
    Fsread {
        /// A file in which the block at each multiple of 4096 begins with that number, as a little-endian `u64`
        path: PathBuf,
        /// For how long
        #[arg(value_parser = seconds)]
        seconds: f64,
        /// Reads at the same time
        #[arg(value_parser = count)]
        depth: usize,
        /// Past the page cache
        #[arg(long)]
        direct: bool,
    },
}

/// At a nanosecond each, more take over 30 years.
const MOST: u64 = 10_u64.pow(18);

/// A count of what is done, by which the time is divided.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST as usize).contains(&count) => Ok(count),
        _ => Err(format!("it has to be a number between 1 and {MOST}")),
    }
}

fn power_of_ten(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(count) if (1..=MOST).contains(&count) && 10_u64.pow(count.ilog10()) == count => Ok(count),
        _ => Err(format!("it has to be a power of ten, at most {MOST}")),
    }
}

/// A time from now that the clock can express.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().map_err(|error| format!("{error}"))?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    Instant::now().checked_add(time).map(|_| seconds).ok_or_else(|| "the clock does not go that far".to_owned())
}
