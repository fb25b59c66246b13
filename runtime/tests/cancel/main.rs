#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Cancellation and time limits: at every kind of wait, before the start, after the end, in the middle of an unwinding.

#[path = "../common/mod.rs"]
mod common;

mod beginning_and_end;
mod every_wait;
mod nothing_lost;
mod unwinding;
mod waits;
