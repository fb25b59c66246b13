//! Stackful fibers for Linux: ordinary synchronous Rust, run by the hundred thousand.
//!
//! A fiber looks like a thread and costs like a task: a stack of which one page is in memory, no system call to switch, and
//! I/O on io_uring that suspends the fiber and not the thread. Annotate `main`, mark functions as tasks, and keep writing
//! `stream.read(&mut buffer)?`.
//!
//! ```no_run
//! use fiber::net::{TcpListener, TcpStream};
//! use std::io::{self, Read, Write};
//!
//! #[fiber::task(numa = "local")]
//! fn serve(mut peer: TcpStream) -> io::Result<()> {
//!     let mut buf = [0; 4096];
//!     loop {
//!         match peer.read(&mut buf)? {
//!             0 => return Ok(()),
//!             n => peer.write_all(&buf[..n])?,
//!         }
//!     }
//! }
//!
//! #[fiber::main]
//! fn main() -> io::Result<()> {
//!     for peer in TcpListener::bind("127.0.0.1:7000")?.incoming() {
//!         serve::spawn(peer?);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What to find where
//!
//! - [`main`](macro@main), [`task`](macro@task), [`test`](macro@test): the attributes, with all their arguments.
//! - [`spawn`], [`spawn_local`], [`scope`], [`Builder`], [`JoinHandle`]: fibers, as `std::thread` has threads.
//! - [`coroutine`]: coroutines and generators, with fibers and without.
//! - [`JoinSet`], [`race`], [`join!`], [`try_join!`]: several fibers at once. [`CancelToken`], [`shield`]: cancellation.
//! - [`block_on`]: futures on fibers. [`future`]: streams and timers for async code. [`fiber_local!`]: variables of fibers.
//! - [`blocking`]: calls that block their thread, on a pool of threads.
//! - [`select!`]: the first of several receives, sends, joins, notifications, times.
//! - [`net`], [`fs`], [`io`], [`process`], [`signal`], [`sync`], [`time`]: what blocks in std, with std's names.
//! - [`runtime`]: configuration, start, shutdown, topology, dumps. [`registry`]: every annotated task of the program.
//!
//! # What to rely on
//!
//! A fiber that has started never changes its thread. So `Rc`, `RefCell`, thread-locals and lock guards on its stack are as
//! safe as on a thread, and no safe program reaches undefined behaviour through this crate, with two exceptions that lie in how std
//! keeps thread-locals: an initialiser of a `thread_local!` that waits, and `std::process::exit` on a fiber (use
//! [`process::exit`]) while the destructor of one waits. Work stealing moves fibers that have not started, whose closures are `Send`.
//!
//! A call that blocks the thread blocks every fiber of its worker: `std::thread::sleep`, a contended `std::sync::Mutex`,
//! a read from a `std::fs::File` on a slow disk. Use what is in this crate, and for the rest [`blocking`].
//!
//! # Features
//!
//! - `backtrace`, the only one that is on by default: reports of held workers ([`runtime::HeldWorker`]) name the functions that hold them.
//! - `futures-io`, `hyper`, `tokio`: the traits of these crates over the streams and timers of [`future`]. `tokio` also has the module `bridge`:
//!   a runtime of Tokio's beside ours, for libraries that need one.
//! - `tracing`: spans of the `tracing` crate belong to the fiber that entered them instead of the thread; a fiber leaves its spans when it
//!   suspends, enters them again when it goes on, and starts in the span of its spawner. Nothing has to be set up.
//!
//! - `corosensei-switch`: fibers are switched by the corosensei crate instead of by instructions of our own, as they are on every architecture
//!   but x86-64 and AArch64. No program sees a difference but in speed; it is there for comparisons, and in case of doubt.
//! - `sanitizer`: for builds with `-Zsanitizer=address`, which have to be told of every switch of stacks; corosensei tells.
//!
//! # Where it runs
//!
//! Linux (5.11 or later; made for 6.1 and later), on x86-64. The code for aarch64 is written, and was not run there but for some unit tests, under emulation. Where
//! io_uring is missing or forbidden, as in most containers, fibers wait by epoll, and files are read and written on the
//! [blocking pool](blocking); see [`runtime::DriverKind`].

#[cfg(not(target_os = "linux"))]
compile_error!("fiber runs on Linux");

#[cfg(feature = "tokio")]
pub mod bridge;
#[cfg(test)]
mod conformance;
pub mod coroutine;
mod driver;
#[cfg(all(test, not(loom)))]
mod faults;
mod fiber;
pub mod fs;
pub mod future;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod io;
#[doc(hidden)]
pub mod macros_support;
pub mod net;
#[cfg(test)]
mod on_fibers;
pub mod os;
pub mod process;
pub mod runtime;
mod sched;
pub mod signal;
pub mod sync;
mod sys;
mod task;
pub mod time;
mod topology;

pub use fiber::CancelReason;
pub use fiber_macros::{allow_blocking, check, checkpoint, main, no_checkpoint, task, test};
pub use sched::cancel::Cancelled;
#[doc(inline)]
pub use sync::select;
#[cfg(feature = "migrate")]
pub use task::OnThread;
pub use task::{
    Builder, CancelToken, Fiber, FiberId, FiberLocal, JoinError, JoinFuture, JoinHandle, JoinSet, LocalJoinHandle,
    Numa, ParseAttributeError, Priority, Scope, ScopedJoinHandle, block_on, blocking, cancel_reason, checkpoint,
    current, is_cancelled, no_suspend, park, park_timeout, race, registry, scope, shield, should_yield, spawn,
    spawn_after, spawn_local, try_current, yield_now,
};

/// What `join!` and `try_join!` call: no part of the interface.
#[doc(hidden)]
pub use task::v1 as together;
