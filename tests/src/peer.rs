//! The checking client as a process.

use crate::process::{Outcome, Process};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;

/// A running peer.
pub struct Peer {
    process: Process,
}

impl Peer {
    /// Starts `program` (the path of the `peer` binary) in a mode, against the server at `address`; `arguments` are
    /// separated by spaces.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(program: &str, mode: &str, address: SocketAddr, arguments: &str) -> Self {
        let mut command = Command::new(program);
        command.args([mode, "--addr", &address.to_string()]).args(arguments.split_whitespace());
        Peer { process: Process::start(&format!("the peer ({mode} {arguments})"), &mut command) }
    }

    /// Waits until it says that `event` is reached, and returns the number that belongs to it.
    ///
    /// # Panics
    ///
    /// If it says something else, ends, or the limit passes.
    pub fn event(&mut self, event: &str) -> u64 {
        let line = self.process.line(&format!("the event {event:?}"));
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        match said["number"].as_u64() {
            Some(number) if said["event"] == event => number,
            _ => self.process.give_up(&format!("the event {event:?}, but it said {line}")),
        }
    }

    /// Lets it go on after a `--pause`.
    pub fn go_on(&mut self) {
        self.process.say(b"\n");
    }

    /// Waits until it ends. Returns its report and how it ended, good or bad.
    ///
    /// # Panics
    ///
    /// If it gives no report, or the limit passes.
    pub fn outcome(self) -> (Value, Outcome) {
        let outcome = self.process.finish();
        let report = outcome.lines.last().and_then(|line| serde_json::from_str(line).ok());
        let report: Value = report.unwrap_or_else(|| panic!("the peer gave no report: {outcome:?}"));
        (report, outcome)
    }

    /// Waits until it ends, and returns its report.
    ///
    /// # Panics
    ///
    /// If something was not as it must be with an echo server.
    pub fn succeed(self) -> Value {
        let (report, outcome) = self.outcome();
        assert!(outcome.status.success(), "{}: {report:#}\n{}", outcome.status, outcome.complaints);
        assert_eq!(report["failed"], 0, "a peer that succeeds reports no failure");
        report
    }
}
