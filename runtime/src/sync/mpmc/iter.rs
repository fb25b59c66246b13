//! Receiving by iteration.

crate::sync::iter::iterators!();
