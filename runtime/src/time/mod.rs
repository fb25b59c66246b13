//! Sleeping, and limits on how long something may take.
//!
//! Timers have microsecond resolution: they fire no earlier than asked for, and as soon after as the kernel wakes an idle
//! worker (its timer slack is set to 1 ns) or a busy one ends its turn. Works on fibers; on a thread, sleeping blocks it.
//!
//! To wake for a timer costs some ten microseconds of processor time. So while many timers of a worker (32 or more are set) come due one shortly
//! after the other, it wakes for them once in 200 us and fires those together that came due meanwhile: each of them may be late by up to
//! that much. Timers that come due further apart are not held back, nor are those of a fiber that sleeps for short times while the others of its
//! worker wait for long.

mod after;
mod sleep;
mod timeout;

pub use crate::sched::cancel::Elapsed;
pub use after::{After, after, at};
pub use sleep::{sleep, sleep_until};
pub use std::time::{Duration, Instant};
pub use timeout::{deadline, timeout, timeout_at};
