//! What `fiber_local!` expands to.
#![deny(unsafe_code)]

pub use crate::fiber::locals::{Inherit, Key};
