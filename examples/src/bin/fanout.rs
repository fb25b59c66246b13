//! Asks many backends at once and goes on with the first answers that are enough, within a time limit.
//!
//! ```sh
//! cargo run --release --bin fanout
//! ```
//!
//! For each query a scope has a fiber for each backend. The first answers are taken as they come; when there are enough of them, or the
//! time is up, the fibers that still wait are cancelled, and the scope ends when they have ended. Nothing is left behind, which the
//! program checks. The backends are stood in for by waiting as long as they would take; some take far too long.

use clap::Parser;
use fiber::select;
use fiber::sync::mpsc::channel;
use fiber::time::{Instant, after, sleep};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Queries many backends and takes the first answers.
#[derive(Parser)]
struct Arguments {
    /// Queries, one after the other
    #[arg(long, default_value_t = 20)]
    queries: usize,

    /// Backends that each query goes to
    #[arg(long, default_value_t = 100)]
    backends: usize,

    /// Answers that are enough
    #[arg(long, default_value_t = 10)]
    enough: usize,

    /// Milliseconds that a query may take
    #[arg(long, default_value_t = 1000)]
    limit: u64,
}

/// Counts the calls that are under way, whichever way they end.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicUsize) -> UnderWay<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        UnderWay(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call to a backend. One in three does not answer in any useful time.
fn ask(backend: usize, query: &str) -> String {
    let scatter = (backend as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ query.len() as u64;
    match scatter % 3 {
        0 => sleep(Duration::from_secs(3600)),
        _ => sleep(Duration::from_micros(500 + scatter % 4096)),
    }
    format!("{query} -> {backend}")
}

/// The first answers, up to `enough`, that come within `limit`.
fn first_answers(query: &str, backends: usize, enough: usize, limit: Duration, calls: &AtomicUsize) -> Vec<String> {
    let mut answers = Vec::new();
    let (answer, answered) = channel();
    let mut late = after(limit);
    fiber::scope(|scope| {
        for backend in 0..backends {
            let answer = answer.clone();
            scope.spawn(move || {
                let _under_way = UnderWay::begin(calls);
                // Nobody listens any more only if there are enough.
                let _ = answer.send(ask(backend, query));
            });
        }
        // The end of the channel is that of the last call.
        drop(answer);
        while answers.len() < enough {
            select! {
                answer = answered.recv() => match answer {
                    Ok(answer) => answers.push(answer),
                    Err(_) => break,
                },
                () = &mut late => break,
            }
        }
        scope.cancel();
    });
    answers
}

#[fiber::main]
fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { queries, backends, enough, limit } = Arguments::parse();
    let calls = AtomicUsize::new(0);
    let start = Instant::now();
    let (mut total, mut slowest) = (0, Duration::ZERO);
    for query in 0..queries {
        let begin = Instant::now();
        let query = format!("query {query}");
        let answers = first_answers(&query, backends, enough, Duration::from_millis(limit), &calls);
        if answers.iter().any(|answer| !answer.starts_with(&query)) {
            return Err(format!("{query} was given another's answer").into());
        }
        total += answers.len();
        slowest = slowest.max(begin.elapsed());
    }
    println!(
        "{queries} queries to {backends} backends each, in {:.2?}; the slowest took {slowest:.2?}",
        start.elapsed()
    );
    println!("{total} answers, {enough} of them enough for each");
    match calls.load(Ordering::Relaxed) {
        0 => println!("no call is left under way"),
        left => return Err(format!("{left} calls are left under way").into()),
    }
    Ok(())
}
