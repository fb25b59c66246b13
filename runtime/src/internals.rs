//! What the project's own benchmarks and tests reach for and no program needs. Not part of the interface: it changes without notice.
#![deny(unsafe_code)]

mod blow;
mod policy;
mod stacks;

pub use blow::{Blow, under_way};
pub use policy::StealPolicy;
pub use stacks::{Stacks, Taken};
