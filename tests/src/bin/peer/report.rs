//! What goes to standard output: the events, and the counts of the last line.

use crate::failure::Failure;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Failures that are told in words; the others are only counted.
const TOLD: usize = 10;

/// The counts of one run.
pub(crate) struct Report {
    mode: &'static str,
    counts: Map<String, Value>,
    failures: Vec<String>,
    failed: u64,
    start: Instant,
}

impl Report {
    pub(crate) fn new(mode: &'static str) -> Self {
        Report { mode, counts: Map::new(), failures: Vec::new(), failed: 0, start: Instant::now() }
    }

    /// Adds to a count, which appears in the line even if it is zero.
    pub(crate) fn count(&mut self, name: &str, more: u64) {
        let old = self.counts.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.counts.insert(name.to_owned(), json!(old + more));
    }

    /// Notes that a connection failed.
    pub(crate) fn fail(&mut self, who: impl std::fmt::Display, failure: &Failure) {
        self.failed += 1;
        if self.failures.len() < TOLD {
            self.failures.push(format!("{who}: {failure}"));
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed > 0
    }

    /// Writes the last line.
    pub(crate) fn print(&self) {
        let mut line = self.counts.clone();
        line.insert("mode".into(), json!(self.mode));
        line.insert("failed".into(), json!(self.failed));
        line.insert("failures".into(), json!(self.failures));
        line.insert("seconds".into(), json!(self.start.elapsed().as_secs_f64()));
        println!("{}", Value::Object(line));
    }
}

/// Says that something is reached, with a number that belongs to it.
pub(crate) fn event(name: &str, number: usize) {
    println!("{}", json!({ "event": name, "number": number }));
}

/// Waits for a line, or the end, of standard input.
pub(crate) async fn pause() {
    crate::progress::stage("a line on standard input", 1);
    let (said, heard) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = said.send(());
    });
    let _ = heard.await;
}
