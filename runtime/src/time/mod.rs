//! Sleeping, and limits on how long something may take.
//!
//! Timers have microsecond resolution: they fire no earlier than asked for, and as soon after as the kernel wakes an idle
//! worker (its timer slack is set to 1 ns) or a busy one ends its turn. Works on fibers; on a thread, sleeping blocks it.

mod after;
mod sleep;
mod timeout;

pub use crate::sched::cancel::Elapsed;
pub use after::{After, after, at};
pub use sleep::{sleep, sleep_until};
pub use std::time::{Duration, Instant};
pub use timeout::{deadline, timeout, timeout_at};
