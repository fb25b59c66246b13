//! A runtime of Tokio's beside ours, so that fibers can use libraries that are made for it: `reqwest`, `sqlx`, `tonic` and the like.
//! With the feature `tokio`.
//!
//! Such a library's futures can be polled anywhere, but they look for Tokio's reactor and timers in the thread that polls them, and
//! something has to drive these. [`Tokio`] keeps a runtime with a thread of its own for that, and
//!
//! - [`Tokio::block_on`] polls the future **on the fiber**, inside the runtime's context. Future and result may borrow and need not be `Send`.
//! - [`Tokio::spawn`] has Tokio's thread poll it, as a [`Task`] that fibers join. For what goes on by itself, or computes for long.
//!
//! ```
//! use fiber::bridge::Tokio;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let tokio = Tokio::new()?;
//! let greeting = String::from("hello");
//! // An async function of some library; it borrows from this fiber's stack.
//! let length = tokio.block_on(async { greeting.len() });
//! assert_eq!(length, 5);
//! // Or apart from the fiber.
//! let task = tokio.spawn(async { 6 * 7 });
//! assert_eq!(task.join().unwrap(), 42);
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! # Cancellation, time limits, panics
//!
//! Waiting for a future is a cancellation point that cannot return an error: a cancelled fiber, or one whose
//! [`timeout`](crate::time::timeout) has passed, unwinds from it. That drops the future of `block_on`, inside the runtime's context, and aborts
//! the task that it waited for in [`Task::join`]. A panic in a future of `block_on` is a panic of the fiber; that of a task is in the error of
//! `join`.
//!
//! # What to watch
//!
//! - While the future is polled, the fiber cannot suspend: whatever else ran on the worker then would find itself in Tokio's context.
//!   A call in it that would have to, of [`net`](crate::net) or a contended [`sync::Mutex`](crate::sync::Mutex), panics, as in
//!   [`no_suspend`](crate::no_suspend). So do destructors of what the future holds. Inside a future, await: channels, `Notify` and tokens have
//!   methods for that, whose names end in `_async`.
//! - A future that computes for long, or blocks its thread, holds the worker as any code on a fiber does. [`spawn`](Tokio::spawn) it.
//! - Some libraries look for the context in calls that are not async, or in destructors: `sqlx` gives a connection back to its pool so. Do
//!   that in [`Tokio::enter`].
//! - `block_on` on one of Tokio's own threads blocks it, which Tokio cannot see.
//!
//! # Shutting down
//!
//! A runtime of ours that ends cancels its fibers, which drops their futures; it waits for nothing of Tokio's. Dropping a [`Tokio`] stops its
//! thread in the background and drops the tasks; [`Tokio::shutdown`] waits for that. It is borrowed while a fiber is in `block_on`, but clients
//! and pools that were made with it can outlive it, and fail then. So let it outlive what uses it: own it in `main`, or use
//! [`Tokio::shared`], which lives as long as the process. Where somebody else's runtime ends, the futures that fibers still await in it
//! panic or fail; none hangs that waits for its sockets and timers.

// The room keeps runtimes of Tokio's. It calls `task`, to run futures on fibers and to wait on the blocking pool.
//
// Rejected: entering the context for the whole of a fiber, or of `block_on` (the guard would be live across suspensions: every fiber of the
// worker would be in the context, and guards would be dropped in another order than they were made, which Tokio refuses); polling every
// future on Tokio's threads (it would have to be `Send + 'static`).

mod task;
mod tokio;

pub use self::task::Task;
pub use self::tokio::Tokio;
