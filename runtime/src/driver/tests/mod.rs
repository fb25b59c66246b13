//! What every driver must do, run on each that this machine has, against the real kernel.

mod doorbell;
mod operations;
pub(super) mod sandbox;

use super::epoll::Epoll;
use super::uring::{TaskWork, Uring};
use super::{Completion, Driver, DriverConfig, DriverKind, Operation, Token};
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
        match Uring::with_task_work(config, task_work) {
            Ok(driver) => on(Driver::Uring(driver), &mut test),
            Err(error) => println!("skipped: {task_work:?}: {error}"),
        }
    }
    on(Driver::Epoll(Epoll::new(config, "epoll").unwrap()), &mut test);
    on(Driver::Epoll(Epoll::coarse(config).unwrap()), &mut test);
}

fn on(driver: Driver, test: &mut impl FnMut(&mut Bench)) {
    let mut bench = Bench { driver, done: HashMap::new(), next: 1 };
    test(&mut bench);
    assert_eq!(bench.driver.in_flight(), 0, "{}: operations left behind", bench.driver.name());
    assert_eq!(bench.done, HashMap::new(), "{}: completions nobody expected", bench.driver.name());
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
            assert!(start.elapsed() < LIMIT, "{}: no completion of {token:?}", self.driver.name());
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
fn a_driver_says_what_it_is() {
    for (kind, name) in [(DriverKind::Auto, ""), (DriverKind::IoUring, "io_uring"), (DriverKind::Epoll, "epoll")] {
        let Ok(driver) = Driver::new(&DriverConfig { kind, ..DriverConfig::default() }) else {
            assert_eq!(kind, DriverKind::IoUring, "there is always a driver");
            continue;
        };
        assert!(driver.name().starts_with(name), "{}", driver.name());
        assert!(driver.name().starts_with(&driver.kind().to_string()), "{}", driver.name());
        assert!(!driver.has_completions());
    }
}
