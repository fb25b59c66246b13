//! Conformance: the same bodies over std and over this module, and what a fiber does besides.
#![allow(unsafe_code, reason = "calls of the system that tests check with")]
#![allow(clippy::type_complexity, reason = "the bodies return whatever there is to compare")]

mod children;
mod fibers;
