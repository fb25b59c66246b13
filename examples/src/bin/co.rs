//! A runner in the manner of node's `co`: a coroutine says what is to be done by yielding tasks, and whoever runs it decides how.
//!
//! The crawl below is written as one function from top to bottom. It yields the pages of a round and goes on with their contents; it
//! knows neither fibers nor threads. One runner fetches the pages of a round on a fiber each, another one fetches them one
//! after the other on a thread without a runtime, as a test might.
//!
//! ```sh
//! cargo run --release --bin co
//! cargo run --release --bin co -- --pages 1000
//! ```

use clap::Parser;
use fiber::coroutine::{Coroutine, CoroutineState, Yielder};
use std::time::{Duration, Instant};

/// Crawls a made-up site twice: on fibers, and one page after the other.
#[derive(Parser)]
struct Arguments {
    /// Pages of the site.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pages: u32,
    /// Milliseconds that fetching a page takes.
    #[arg(long, default_value_t = 2)]
    pause: u64,
}

/// Something to be done elsewhere.
type Task<T> = Box<dyn FnOnce() -> T + Send>;

/// How a body asks for tasks to be done, and gets their results in the same order.
type Asker<T> = Yielder<Vec<T>, Vec<Task<T>>>;

/// Runs `body`, and `run` for each batch of tasks that it asks for.
fn drive<T, R>(body: impl FnOnce(&Asker<T>) -> R, mut run: impl FnMut(Vec<Task<T>>) -> Vec<T>) -> R {
    Coroutine::scope(
        |asker, _: Vec<T>| body(asker),
        |body| {
            let mut results = Vec::new();
            loop {
                match body.resume(results) {
                    CoroutineState::Yielded(tasks) => results = run(tasks),
                    CoroutineState::Complete(value) => return value,
                }
            }
        },
    )
}

/// Runs `body` with each task on a fiber of its own.
fn co<T: Send + 'static, R>(body: impl FnOnce(&Asker<T>) -> R) -> R {
    drive(body, |tasks| {
        let fibers: Vec<_> = tasks.into_iter().map(fiber::spawn).collect();
        fibers.into_iter().map(|fiber| fiber.join().expect("tasks do not panic")).collect()
    })
}

/// Runs `body` with one task after the other, on whatever calls it.
fn in_turn<T, R>(body: impl FnOnce(&Asker<T>) -> R) -> R {
    drive(body, |tasks| tasks.into_iter().map(|task| task()).collect())
}

struct Page {
    words: u64,
    links: Vec<u32>,
}

/// The made-up site is a tree with two links on each page.
fn fetch(number: u32, pages: u32, pause: Duration) -> Page {
    fiber::time::sleep(pause);
    let links = [2 * number + 1, 2 * number + 2].into_iter().filter(|link| *link < pages).collect();
    Page { words: u64::from(number % 7 + 1), links }
}

#[derive(Debug, PartialEq)]
struct Found {
    pages: usize,
    words: u64,
    rounds: u32,
}

/// Visits all pages, round by round.
fn crawl(asker: &Asker<Page>, arguments: &Arguments) -> Found {
    let (pages, pause) = (arguments.pages, Duration::from_millis(arguments.pause));
    let mut found = Found { pages: 0, words: 0, rounds: 0 };
    let mut next = vec![0];
    while !next.is_empty() {
        let fetches = next.drain(..).map(|number| Box::new(move || fetch(number, pages, pause)) as Task<Page>);
        let round = asker.suspend(fetches.collect());
        found.rounds += 1;
        found.pages += round.len();
        for page in round {
            found.words += page.words;
            next.extend(page.links);
        }
    }
    found
}

fn report(how: &str, found: &Found, took: Duration) {
    println!("{how:<24} {} pages, {} words, {} rounds in {took:.1?}", found.pages, found.words, found.rounds);
}

#[fiber::main]
fn main() {
    let arguments = Arguments::parse();

    let begin = Instant::now();
    let at_once = co(|asker| crawl(asker, &arguments));
    report("on fibers:", &at_once, begin.elapsed());

    // The pool's thread is no fiber: the coroutine and its tasks run on it as they would in a program without a runtime.
    let begin = Instant::now();
    let one_by_one = fiber::blocking(|| in_turn(|asker| crawl(asker, &arguments)));
    report("one after the other:", &one_by_one, begin.elapsed());

    assert_eq!(at_once, one_by_one, "the same function found different things");
    println!("both found the same");
}
