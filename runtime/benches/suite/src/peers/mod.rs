//! What fiber is compared with: other runtimes, and bare loops over the kernel's interfaces as the limit.
//!
//! Each is measured in a process of its own, which is this program with `peer <name>` before the arguments of `fiber-bench`.

mod bare;
mod block;
mod compio;
mod glommio;
mod may;
mod monoio;
mod smol;
mod tasks;
mod tokio;
mod turns;

use crate::command::Bench;
use crate::report::Measured;
use clap::ValueEnum;
use std::error::Error;
use std::fmt;

pub(crate) type Outcome = Result<Measured, Box<dyn Error + Send + Sync>>;

/// Whom fiber is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Tokio,
    May,
    Monoio,
    Glommio,
    Compio,
    Smol,
    /// A loop around epoll, one around io_uring, threads that call the kernel.
    Epoll,
    Uring,
    Threads,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Tokio => "tokio",
            Peer::May => "may",
            Peer::Monoio => "monoio",
            Peer::Glommio => "glommio",
            Peer::Compio => "compio",
            Peer::Smol => "smol",
            Peer::Epoll => "epoll loop",
            Peer::Uring => "io_uring loop",
            Peer::Threads => "threads",
        }
    }

    pub(crate) fn run(self, bench: &Bench, workers: usize) -> Outcome {
        match self {
            Peer::Tokio => tokio::measure(bench, workers),
            Peer::May => may::measure(bench, workers),
            Peer::Smol => smol::measure(bench, workers),
            // A thread for each processor and tasks that stay: of several workers each would do the same work alone.
            Peer::Monoio if workers == 1 => monoio::measure(bench),
            Peer::Glommio if workers == 1 => glommio::measure(bench),
            Peer::Compio if workers == 1 => compio::measure(bench),
            Peer::Epoll if workers == 1 => bare::epoll(bench),
            Peer::Uring if workers == 1 => bare::uring(bench),
            Peer::Threads => bare::threads(bench),
            _ => Err(Refusal::NotExpressible.into()),
        }
    }
}

/// Why there is no number.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotExpressible,
    YieldRunsNobody,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotExpressible => "it has no way to do this",
            Refusal::YieldRunsNobody => "a task that yields runs on before anybody else does",
        })
    }
}

impl Error for Refusal {}
