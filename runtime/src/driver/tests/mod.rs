//! What every driver must do, run on each that this machine has, against the real kernel.

mod doorbell;
mod operations;

use super::uring::{TaskWork, Uring};
use super::{Completion, Driver, DriverConfig, Operation, Token};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a test waits for what must come. Only a failing test gets here.
const LIMIT: Duration = Duration::from_secs(30);

/// A driver, and what came out of it.
struct Bench {
    driver: Driver,
    done: HashMap<Token, i32>,
    next: u64,
}

/// Runs `test` on every kind of driver.
fn each_driver(config: &DriverConfig, mut test: impl FnMut(&mut Bench)) {
    for task_work in TaskWork::LADDER {
        let driver = match Uring::with_task_work(config, task_work) {
            Ok(driver) => Driver::Uring(driver),
            Err(error) => {
                println!("skipped: {task_work:?}: {error}");
                continue;
            }
        };
        let mut bench = Bench { driver, done: HashMap::new(), next: 1 };
        test(&mut bench);
        assert_eq!(bench.driver.in_flight(), 0, "{}: operations left behind", bench.driver.kind());
        assert_eq!(bench.done, HashMap::new(), "{}: completions nobody expected", bench.driver.kind());
    }
}

impl Bench {
    /// # Safety
    ///
    /// As [`Driver::submit`].
    unsafe fn submit(&mut self, operation: Operation) -> Token {
        let token = Token::new(self.next);
        self.next += 1;
        // SAFETY: handed on.
        unsafe { self.driver.submit(&operation, token) };
        token
    }

    fn sink(done: &mut HashMap<Token, i32>) -> impl FnMut(Completion) {
        |completion| {
            assert!(!completion.more);
            let before = done.insert(completion.token, completion.result);
            assert_eq!(before, None, "{:?} completed twice", completion.token);
        }
    }

    fn turn(&mut self) {
        self.driver.turn(&mut Bench::sink(&mut self.done));
    }

    fn park(&mut self, timeout: Duration) {
        self.driver.park(Some(timeout), &mut Bench::sink(&mut self.done));
    }

    /// Waits for the operation's completion and returns its result.
    fn wait(&mut self, token: Token) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(result) = self.done.remove(&token) {
                return result;
            }
            assert!(start.elapsed() < LIMIT, "{}: no completion of {token:?}", self.driver.kind());
            self.park(LIMIT);
        }
    }
}

#[test]
fn a_token_keeps_its_number() {
    assert_eq!(Token::new(1).get(), 1);
    assert_eq!(Token::new(Token::LIMIT - 1).get(), Token::LIMIT - 1);
}

#[test]
#[should_panic(expected = "top bit is clear")]
fn a_token_leaves_the_top_bit_to_the_driver() {
    Token::new(Token::LIMIT);
}

#[test]
fn the_default_driver_says_what_it_is() {
    let driver = Driver::new(&DriverConfig::default()).unwrap();
    assert!(driver.kind().starts_with("io_uring"), "{}", driver.kind());
    assert!(!driver.has_completions());
}
