//! The other end: a client of an echo server, in its own process and with nothing of fiber in it.
//!
//! It is written on Tokio, so that a misunderstanding of TCP that fiber might have is not shared by what tests it. Every
//! connection sends bytes that depend on the seed, the connection and the offset ([`pattern`]), and every byte that
//! comes back is compared: lost, repeated, reordered, changed and foreign bytes are all found.
//!
//! A run opens all its connections, lets each act out its [`behaviour`], and ends them; the three stages begin
//! together for all ([`round`]). On standard output it writes one JSON object a line: `{"event": ...}` when a stage
//! is complete, and one last line `{"mode": ...}` with what it counted. The exit status is 0 if everything was as it must
//! be, 1 if the server was not an echo server, 2 if the time limit passed (standard error says what was still awaited).
//!
//! ```sh
//! cargo run -p fiber-tests --bin peer -- flood --addr 127.0.0.1:7000 --connections 10000
//! ```

mod behaviour;
mod connection;
mod failure;
mod pattern;
mod progress;
mod reconnect;
mod report;
mod round;

use behaviour::Family;
use clap::{Args, Parser, Subcommand, ValueEnum};
use report::Report;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// A client that checks an echo server.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// All connections open and served at once, every byte verified, then an orderly end
    Flood(Common),
    /// Clients that never send, and clients that send without ever reading; half of each come to life at the end
    Stall(Common),
    /// Clients that end their connection with a reset, in each state that it can be in
    Reset(Common),
    /// Clients that shut down their sending side first and still want everything
    HalfClose(Common),
    /// All of these side by side
    Mixed {
        #[command(flatten)]
        common: Common,
        /// How many parts of the connections do what
        #[arg(long, value_delimiter = ',', value_parser = behaviour::parse_share,
              default_value = "flood=4,half-close=3,reset=4,stall=4")]
        mix: Vec<(Family, usize)>,
    },
    /// Clients that lose their server and find it again
    Reconnect {
        #[command(flatten)]
        common: Common,
        /// How often the server will go away and come back
        #[arg(long, default_value_t = 1)]
        outages: usize,
    },
}

/// What every mode needs to know.
#[derive(Args, Clone)]
struct Common {
    /// The echo server
    #[arg(long)]
    addr: SocketAddr,

    /// How many connections to open (fewer if the limit of open files is too low: the report has the real number)
    #[arg(long, default_value_t = 100)]
    connections: usize,

    /// How many bytes each connection sends and wants back
    #[arg(long, default_value_t = 4096)]
    bytes: u64,

    /// Decides the bytes, the sizes of the pieces and the choices of each connection
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The largest piece that is sent at once
    #[arg(long, default_value_t = 4096)]
    chunk: usize,

    /// How often to do it all, with new connections
    #[arg(long, default_value_t = 1)]
    rounds: usize,

    /// How many connections may be in the course of opening at once; more than the backlog of the server's listener
    /// makes the kernel drop some and try again a second later
    #[arg(long, default_value_t = 64)]
    opening: usize,

    /// Seconds after which to give up
    #[arg(long, default_value_t = 120)]
    limit: u64,

    /// After which stages to wait for a line (or the end) of standard input
    #[arg(long)]
    pause: Vec<Stage>,
}

/// The parts of a round.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Stage {
    /// All connections are open, and all that speak have had their first bytes echoed
    Opened,
    /// All connections have done what they do, and those that stall are stuck
    Acted,
}

impl Mode {
    fn common(&mut self) -> &mut Common {
        match self {
            Mode::Flood(common) | Mode::Stall(common) | Mode::Reset(common) | Mode::HalfClose(common) => common,
            Mode::Mixed { common, .. } | Mode::Reconnect { common, .. } => common,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Mode::Flood(_) => "flood",
            Mode::Stall(_) => "stall",
            Mode::Reset(_) => "reset",
            Mode::HalfClose(_) => "half-close",
            Mode::Mixed { .. } => "mixed",
            Mode::Reconnect { .. } => "reconnect",
        }
    }

    async fn run(&self, report: &mut Report) {
        match self {
            Mode::Flood(common) => round::all(common, &[(Family::Flood, 1)], report).await,
            Mode::Stall(common) => round::all(common, &[(Family::Stall, 1)], report).await,
            Mode::Reset(common) => round::all(common, &[(Family::Reset, 1)], report).await,
            Mode::HalfClose(common) => round::all(common, &[(Family::HalfClose, 1)], report).await,
            Mode::Mixed { common, mix } => round::all(common, mix, report).await,
            Mode::Reconnect { common, outages } => reconnect::run(common, *outages, report).await,
        }
    }
}

fn main() -> ExitCode {
    let mut mode = Arguments::parse().mode;
    let mut report = Report::new(mode.name());
    let common = mode.common();
    let limit = Duration::from_secs(common.limit);
    let allowed = fiber_tests::limits::connections(common.connections);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (allowed, runtime) = match (allowed, runtime) {
        (Ok(allowed), Ok(runtime)) => (allowed, runtime),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("peer: cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    common.connections = allowed;
    report.count("connections", allowed as u64);

    let finished = runtime.block_on(async { tokio::time::timeout(limit, mode.run(&mut report)).await });
    if finished.is_err() {
        eprintln!("peer: gave up after {} s, waiting for: {}", limit.as_secs(), progress::describe());
    }
    report.print();
    match finished {
        Err(_) => ExitCode::from(2),
        Ok(()) if report.failed() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}
