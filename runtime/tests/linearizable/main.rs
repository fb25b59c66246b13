#![cfg(not(loom))]
//! Recorded histories of locks and channels, checked: each could have happened one operation after the other.
//!
//! Threads and fibers of two workers do at random what can be done; each operation notes the time, by a counter that all share, before
//! it begins and after it has ended. Histories of queues are long, and are checked for what cannot be in one ([`queues`]). Others are short, and an
//! order in which the operations can have happened is searched for ([`search`]).

#[path = "../common/mod.rs"]
mod common;

mod channels;
mod locks;
mod queues;
mod search;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The time, in events.
static NOW: AtomicU64 = AtomicU64::new(1);

fn tick() -> u64 {
    NOW.fetch_add(1, SeqCst)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Interval {
    pub(crate) fn precedes(self, other: Interval) -> bool {
        self.end < other.begin
    }
}

pub(crate) fn timed<T>(operation: impl FnOnce() -> T) -> (Interval, T) {
    let begin = tick();
    let value = operation();
    (Interval { begin, end: tick() }, value)
}
