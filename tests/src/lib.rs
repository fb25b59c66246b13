//! What the end-to-end tests of fiber share: starting processes and watching them from outside.
//!
//! The tests themselves stand in `tests/`; the programs they run are the binaries `peer` (the client that checks every
//! byte, without fiber) and `echo_server` and `everyday` (the programs under test, written as a user would write them). Nothing here
//! uses fiber, so nothing here can share its mistakes. What compilers say is asked with a crate of a user ([`sample`]).
//!
//! Waiting is done on events: a line of output, the end of a process, a count in `/proc`. Each wait has a generous limit
//! and says, when that passes, what it waited for ([`wait`]). What a machine cannot do is reported as
//! `skipped: reason` ([`skip`]).

pub mod limits;
pub mod peer;
pub mod process;
pub mod sample;
pub mod server;
pub mod skip;
pub mod usage;
pub mod wait;
