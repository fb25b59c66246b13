//! What can be measured, as the command line says it.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
/// Small measurements of a runtime, one line of JSON each
#[command(name = "fiber-bench")]
pub(crate) struct Arguments {
    /// Threads that run what is measured
    #[arg(long, global = true, default_value_t = 2)]
    pub(crate) workers: usize,

    /// Bind each worker to a processor; ends with status 3 where the runtime does not do that
    #[arg(long, global = true)]
    pub(crate) pin: bool,

    #[command(subcommand)]
    pub(crate) bench: Bench,
}

#[derive(Clone, Subcommand)]
pub(crate) enum Bench {
    /// Fibers that only yield: ns for one yield
    Yield {
        #[arg(long, value_parser = count, default_value_t = 1000)]
        tasks: usize,
        #[arg(long, value_parser = count, default_value_t = 1000)]
        iters: usize,
    },
    /// Fibers that end at once, spawned and joined in batches: ns for one
    Spawn {
        #[arg(long, value_parser = count, default_value_t = 1_000_000)]
        n: usize,
        #[arg(long, value_parser = count, default_value_t = 1000)]
        batch: usize,
    },
    /// Two fibers that send each other a message by turns: ns for there and back
    Pingpong {
        #[arg(long, value_parser = count, default_value_t = 100_000)]
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
        #[arg(long, value_parser = count, default_value_t = 100_000)]
        n: usize,
        /// Look again so many seconds after they have ended
        #[arg(long, default_value_t = 0)]
        settle: u64,
    },
    /// Fibers that sleep for up to a second: the 99th percentile of how late they wake, in us
    Timers {
        #[arg(long, value_parser = count, default_value_t = 10_000)]
        n: usize,
    },
    /// Fibers that take one lock: ns for taking and giving it back
    Mutex {
        #[arg(long, value_parser = count, default_value_t = 64)]
        tasks: usize,
        #[arg(long, value_parser = count, default_value_t = 10_000)]
        iters: usize,
    },
    /// Children that sleep 1 ms and compute 5 us, ten times: ms until all have ended
    Fanout {
        #[arg(long, value_parser = count, default_value_t = 1000)]
        children: usize,
        #[arg(long, value_parser = count, default_value_t = 10)]
        repeat: usize,
    },
    /// Sends back what it gets until it is killed; with `STALL=1` the first four bytes of each message of `STALL_SIZE` bytes (64) say
    /// for how many ns it computes before that
    EchoServer {
        port: u16,
        /// In place of `--workers`
        workers: Option<usize>,
    },
    /// Answers requests of HTTP/1.1 with `Hello, World!` until it is killed
    HttpServer {
        port: u16,
        /// In place of `--workers`
        workers: Option<usize>,
    },
    /// The runtime starts, runs nothing and ends: us for that
    Start {
        #[arg(long, value_parser = count, default_value_t = 20)]
        repeat: usize,
    },
    /// Random reads of 4 KiB of a file whose blocks begin with their own offset: reads in a second
    Fsread {
        path: PathBuf,
        seconds: f64,
        /// Reads at the same time
        #[arg(value_parser = count)]
        depth: usize,
        /// Past the page cache
        #[arg(long)]
        direct: bool,
    },
}

/// A count of what is done, by which the time is divided.
fn count(text: &str) -> Result<usize, String> {
    let most = 10_usize.pow(10);
    let count = text.parse().map_err(|error| format!("{error}"))?;
    if (1..=most).contains(&count) { Ok(count) } else { Err(format!("it has to be between 1 and {most}")) }
}
