//! From tokens to what they say: the attribute's arguments and the function under it, with every mistake found on the
//! way.
//!
//! Nothing here writes code. Parsing goes on after a mistake with the default in place of what was wrong: the expansion
//! is then complete, the compiler's other errors stay away, and all mistakes of one attribute are reported at once.

mod arguments;
mod attribute;
mod function;
mod mistakes;
mod signature;
mod values;

pub(crate) use arguments::{Arguments, Companion};
pub(crate) use attribute::Attribute;
pub(crate) use function::{Body, Function};
pub(crate) use mistakes::Mistakes;
pub(crate) use signature::{Rules, check_checked, check_entry, check_task};
pub(crate) use values::{Driver, Numa, Priority, Timeslice};
