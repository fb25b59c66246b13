#![cfg(not(loom))]
//! `select!` and its function form: each kind of event, what the losing arms leave behind, what Go's tests expect of its `select`,
//! cancellation, and crowds.

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
#[path = "../common/everywhere.rs"]
mod everywhere;

mod arms;
mod cancel;
mod events;
mod go;
mod language;
mod semaphore;
