//! A runtime: its configuration, its start and its end, and what can be seen of it.
//!
//! A program has one through [`#[fiber::main]`](macro@crate::main), or makes them itself: several may live in one process.
//! Owns the worker threads; calls `sched` and below.
//!
//! ```
//! use fiber::runtime::Runtime;
//!
//! let runtime = Runtime::new()?;
//! let answer = runtime.run(|| fiber::spawn(|| 6 * 7).join().unwrap());
//! assert_eq!(answer, 42);
//! # Ok::<(), fiber::runtime::RuntimeError>(())
//! ```

mod config;
mod dump;
mod environment;
mod error;
mod handle;
mod held;
mod launch;
mod metrics;
pub(crate) mod process;
mod quit;
mod stall;
mod start;

pub use crate::driver::DriverKind;
pub use crate::fiber::Reason;
pub use crate::task::BlockingMetrics;
pub use crate::topology::{Cache, Cpu, Node, Topology};
pub use config::Builder;
pub use dump::{Dump, FiberState, State};
pub use error::{RuntimeError, ShutdownError};
pub use handle::{Handle, Runtime};
pub use held::HeldWorker;
pub use metrics::{Metrics, WorkerMetrics, current_worker};
