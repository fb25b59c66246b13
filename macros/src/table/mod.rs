//! What blocks in std, item by item: the one list behind all that this framework says about blocking.
//!
//! From it come the checks of the attributes (which names are looked at, and how), the marker traits and the messages
//! in the runtime crate, the `std` that code inside foreign macros sees, the guide's page, and the generated
//! `clippy.toml`. To add an item, add a row in [`items`]; nothing else names one.
//!
//! A row says what the item is called in std, what takes its place in fiber, and why it blocks. *Blocks* means: may put
//! the calling thread to sleep for as long as someone else likes. Printing, `try_lock`, `Instant::now`, allocation are
//! not here. Nothing in this room knows tokens: the programs of this crate read it too.

mod entry;
mod items;

pub(crate) use entry::{Entry, Form, entries, method, named};
pub(crate) use items::{TYPES, WRAPPERS, Wrapper};
