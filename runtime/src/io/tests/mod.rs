//! Conformance: the same bodies over std and over this module, and what a fiber does besides.
#![allow(unsafe_code, reason = "descriptors as numbers")]
#![allow(clippy::type_complexity, reason = "the bodies return whatever there is to compare")]

mod connections;
mod copies;
mod pipes;
