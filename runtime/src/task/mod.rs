//! Fibers as users handle them: spawning, joining, scopes and what is made of them, cancellation, parking, identity, variables, futures,
//! the registry of annotated tasks, and calls that block their thread.
//!
//! Owns the public handles and errors, and the threads of the blocking pools; the records behind fibers belong to `fiber`, their
//! scheduling to `sched`. Uses the channels of `sync`, and makes events for its `select`. Calls `runtime` only to find the runtime that a
//! plain thread spawns on, and to say which one the threads of a pool serve.

mod attributes;
mod block_on;
mod blocking;
mod builder;
mod cancel_token;
mod cancellation;
mod current;
mod fiber_local;
mod join_error;
mod join_event;
mod join_handle;
mod join_set;
mod migration;
#[cfg(feature = "migrate")]
mod on_thread;
mod park;
pub mod registry;
mod scope;
mod together;

pub use attributes::{Numa, ParseAttributeError, Priority};
pub use block_on::{JoinFuture, block_on};
pub use blocking::{BlockingMetrics, blocking};
pub(crate) use blocking::{Pool, ask, try_blocking};
pub(crate) use builder::heir;
pub use builder::{Builder, spawn, spawn_after, spawn_local};
pub use cancel_token::CancelToken;
pub use cancellation::{cancel_reason, is_cancelled, no_suspend, shield};
pub use current::{Fiber, FiberId, checkpoint, current, should_yield, try_current, yield_now};
pub use fiber_local::FiberLocal;
pub use join_error::JoinError;
pub(crate) use join_handle::wait_for;
pub use join_handle::{JoinHandle, LocalJoinHandle};
pub use join_set::JoinSet;
pub use migration::Migration;
#[cfg(feature = "migrate")]
pub use on_thread::OnThread;
pub use park::{park, park_timeout};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use together::{race, v1};
