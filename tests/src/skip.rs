//! Tests that need what a machine may lack.

use std::process::{Command, Stdio};

/// Reports that something is not tested here, and why. CI compares these lines with what it expects of its machine.
pub fn skip(reason: &str) {
    println!("skipped: {reason}");
}

/// Whether `program` can be started, asked by running it with `argument`. Reports `skipped` if not.
pub fn has(program: &str, argument: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match probe.status() {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("{program} does not start here: {error}"));
            false
        }
    }
}
