#![cfg(not(loom))]
//! Started fibers that move to other workers.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/sysfs.rs"]
mod sysfs;

mod held;
mod kept;
mod moves;
mod storms;

use fiber::runtime::{Builder, Handle, current_worker};
use std::time::Instant;

/// A builder of fibers that may move.
///
/// The closures of these tests keep the promise: nothing of theirs belongs to a thread, and what they ask of the thread, the number of its
/// worker, they ask in functions that are not inlined.
fn migratable() -> fiber::Builder {
    // SAFETY: as above.
    unsafe { fiber::Builder::new().migratable(true) }
}

/// A runtime where every fiber that may leave does.
fn restless(workers: usize) -> Builder {
    Builder::new().workers(workers).restless(true)
}

/// The number of the caller's worker.
#[inline(never)]
fn here() -> usize {
    current_worker().expect("the caller is a fiber")
}

/// How often a started fiber has gone on at another worker.
fn moves() -> u64 {
    Handle::try_current().unwrap().worker_metrics().iter().map(|worker| worker.migrated).sum()
}

/// Holds the worker until something has happened.
#[inline(never)]
fn hold_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < common::LONG, "waited in vain until {what}");
        std::thread::yield_now();
    }
}
