//! Fibers as users handle them: spawning, joining, scopes, parking, identity, fiber-locals, the registry of annotated tasks, and
//! calls that block their thread.
//!
//! Owns the public handles and errors, and the threads of the blocking pools; the records behind fibers belong to `fiber`, their
//! scheduling to `sched`. Calls `runtime` only to find the runtime that a plain thread spawns on, and to say which one the
//! threads of a pool serve.

mod attributes;
mod blocking;
mod builder;
mod current;
mod join_error;
mod join_handle;
mod local;
mod park;
pub mod registry;
mod scope;

pub use attributes::{Numa, ParseAttributeError, Priority};
pub use blocking::{BlockingMetrics, blocking};
pub(crate) use blocking::{Pool, ask, try_blocking};
pub(crate) use builder::child;
pub use builder::{Builder, spawn, spawn_local};
pub use current::{Fiber, FiberId, current, try_current, yield_now};
pub use join_error::JoinError;
pub(crate) use join_handle::wait_for;
pub use join_handle::{JoinHandle, LocalJoinHandle};
pub use local::{AccessError, LocalKey};
pub use park::{park, park_timeout};
pub use scope::{Scope, ScopedJoinHandle, scope};
