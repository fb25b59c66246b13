#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! The locks beside the mutex, and the semaphore and notifications: std's behaviour where std has them; cancellation, fairness,
//! time limits; fibers and threads on the same lock.

#[path = "../common/mod.rs"]
mod common;

/// Defines the tests that the macro `$behaviour` expands to four times: for std's types on threads, which shows that the tests
/// are right, and for ours on threads, on fibers of one worker, and on fibers of two.
///
/// They find in scope: `sync`, `run`, `spawn`, which returns a closure that says whether there was a panic, and `give_way`.
macro_rules! everywhere {
    (threads) => {
        fn run(body: impl FnOnce() + Send) {
            let _watch = crate::common::Watch::begin(None);
            body();
        }

        fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
            let thread = std::thread::spawn(f);
            || thread.join().is_err()
        }

        #[allow(dead_code, reason = "not every test needs it")]
        fn give_way() {
            std::thread::yield_now();
        }
    };
    (fibers $workers:literal) => {
        fn run(body: impl FnOnce() + Send) {
            crate::common::runtime($workers).run(body);
        }

        fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
            let fiber = fiber::spawn(f);
            || fiber.join().is_err()
        }

        #[allow(dead_code, reason = "not every test needs it")]
        fn give_way() {
            fiber::yield_now();
        }
    };
    ($behaviour:ident) => {
        mod std_on_threads {
            use std::sync;
            everywhere!(threads);
            $behaviour!();
        }
        mod on_threads {
            use fiber::sync;
            everywhere!(threads);
            $behaviour!();
        }
        mod on_fibers_of_one_worker {
            use fiber::sync;
            everywhere!(fibers 1);
            $behaviour!();
        }
        mod on_fibers_of_two_workers {
            use fiber::sync;
            everywhere!(fibers 2);
            $behaviour!();
        }
    };
}

mod barrier;
mod condvar;
mod mapped;
mod mixed;
mod notify;
mod once;
mod rw_lock;
mod semaphore;
mod timeouts;
