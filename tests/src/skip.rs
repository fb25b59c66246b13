//! Tests that need what a machine may lack.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Reports that something is not tested here, and why. CI compares these lines with what it expects of its machine.
pub fn skip(reason: &str) {
    // `println!` is what the test harness swallows when a test passes. The line may be in the middle of one of its own.
    let _ = writeln!(io::stdout(), "\nskipped: {reason}");
}

/// Whether `program` is installed, asked by running it with `argument`. Reports `skipped` if not.
///
/// # Panics
///
/// If it is there but cannot be run.
pub fn has(program: &str, argument: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match probe.status() {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip(&format!("{program} is not installed"));
            false
        }
        Err(error) => panic!("{program} is there, but does not start: {error}"),
    }
}
