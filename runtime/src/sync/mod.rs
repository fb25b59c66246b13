//! Locks and channels that suspend the fiber instead of blocking the worker.
//!
//! Names, signatures and errors are std's, so that `std::sync` to `fiber::sync` is a search and replace. Everything works
//! between fibers, between threads, and across: a fiber waits by suspending, a thread by parking. Owns no state of its own
//! but the locks and channels themselves; waits by `sched`'s list of waiters.
#![deny(unsafe_code)]

pub mod broadcast;
mod channel;
pub mod mpmc;
pub mod mpsc;
#[expect(unsafe_code, reason = "a lock hands out references to what it guards")]
mod mutex;
pub mod oneshot;
pub mod watch;

pub use mutex::{Mutex, MutexGuard};
pub use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
