//! Locks and channels that suspend the fiber instead of blocking the worker.
//!
//! Names, signatures and errors are std's, so that `std::sync` to `fiber::sync` is a search and replace. Everything works
//! between fibers, between threads, and across, also across runtimes: a fiber waits by suspending, a thread by parking. Owns no
//! state of its own but the locks and channels themselves; waits by `sched`'s list of waiters.
//!
//! # What all have in common
//!
//! - **Cost.** Without contention, one compare-and-swap to get in and one to get out. A wait allocates nothing.
//! - **Fairness.** First come, first served, but for what the documentation of each type says; nobody starves.
//! - **Cancellation.** Waits are cancellation points. They cannot return an error, so a cancelled fiber unwinds from them,
//!   which poisons nothing. Whatever a wait that ends in this way, or by a time limit, had received goes to the next.
//!
//! How each passes on what is waited for, and why so, stands at the top of its file.
#![deny(unsafe_code)]

mod barrier;
pub mod broadcast;
mod channel;
mod condvar;
mod iter;
#[expect(unsafe_code, reason = "hands out references to what it made")]
mod lazy_lock;
pub mod mpmc;
pub mod mpsc;
#[expect(unsafe_code, reason = "a lock hands out references to what it guards")]
mod mutex;
mod notify;
#[cfg_attr(loom, allow(unsafe_code, reason = "its model has a cell that loom watches"))]
mod once;
#[expect(unsafe_code, reason = "hands out references to what it holds")]
mod once_lock;
pub mod oneshot;
mod poison;
#[expect(unsafe_code, reason = "a lock hands out references to what it guards")]
mod reentrant_lock;
#[expect(unsafe_code, reason = "a lock hands out references to what it guards")]
mod rw_lock;
pub mod select;
mod semaphore;
mod time_left;
pub mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use lazy_lock::LazyLock;
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard};
pub use notify::Notify;
pub use once::{Once, OnceState};
pub use once_lock::OnceLock;
pub(crate) use reentrant_lock::{ReentrantLock, ReentrantLockGuard};
pub use rw_lock::{MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
