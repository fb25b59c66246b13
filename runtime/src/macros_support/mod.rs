//! What expanded attributes call: entry points, registration, and the bounds of the spawning companions.
//!
//! Not public: only code written by `fiber-macros` may name it. Every name that an expansion uses stands in a module
//! with a version, so that a crate expanded by an older `fiber-macros` keeps compiling when a later one needs other
//! support. It may call everything of the crate's public interface, owns nothing, and nothing in the crate calls it.

pub mod check;
mod crosses;
mod define;
mod entry;

/// The interface of `fiber-macros` 0.1.
pub mod v1 {
    pub use super::check;
    pub use super::crosses::{AllCross, Crosses, Returns, spawn, spawn_scoped};
    pub use super::define::{Definition, Vouched};
    pub use super::entry::{main, test, test_termination};
    pub use crate::registry::Registration;
    pub use crate::task::Migration;
    pub use inventory::submit;
}
