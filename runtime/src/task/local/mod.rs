//! Fiber-locals as users see them: `fiber_local!`, [`LocalKey`] and [`AccessError`], with std's names and behaviour.
//!
//! Owns nothing: values are kept by `fiber::locals`, which says when they come and go and why references to them are good.
//! Calls `sched` to find the running fiber; off a fiber a key is the `thread_local!` that the macro declares beside it.

mod cells;
mod key;
mod macros;

pub use key::{AccessError, LocalKey};
