//! Fiber-locals: `fiber_local!`, [`LocalKey`] and [`AccessError`]. The values themselves are kept by `fiber::locals`.

mod cells;
mod key;
mod macros;

pub use key::{AccessError, LocalKey};
