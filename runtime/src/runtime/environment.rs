//! The environment's say in how a runtime is set up.

use super::error::{Cause, RuntimeError};
use std::sync::Once;

/// What a runtime reads.
pub(super) const KNOWN: &[&str] = &[
    "FIBER_WORKERS",
    "FIBER_CPUS",
    "FIBER_STACK_SIZE",
    "FIBER_NUMA",
    "FIBER_DRIVER",
    "FIBER_BLOCKING_THREADS",
    "FIBER_NAME",
    "FIBER_SHUTDOWN_TIMEOUT",
    "FIBER_DUMP_ON_SIGQUIT",
    "FIBER_MEASURE_STACKS",
    "FIBER_TIMESLICE",
    "FIBER_HELD_LIMIT",
    #[cfg(feature = "migrate")]
    "FIBER_RESTLESS",
];

/// How variables begin that the tests and benchmarks of this project read.
const OF_TESTS: [&str; 5] = ["FIBER_BENCH_", "FIBER_GUIDE", "FIBER_PEERS_", "FIBER_SOAK_", "FIBER_TEST_"];

/// The variables, as some function gives them.
pub(super) struct Environment<R>(pub(super) R);

impl<R: Fn(&str) -> Option<String>> Environment<R> {
    pub(super) fn apply<T>(
        &self,
        variable: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        set: impl FnOnce(T),
    ) -> Result<(), RuntimeError> {
        // An empty variable is one that a script forgot to fill, not a value.
        let Some(value) = (self.0)(variable).filter(|value| !value.is_empty()) else {
            return Ok(());
        };
        match parse(value.trim()) {
            Some(parsed) => set(parsed),
            None => return Err(Cause::Environment { variable, value, expected }.into()),
        }
        Ok(())
    }
}

/// Warns, once in the process, of variables that are meant for a runtime and that none reads.
///
/// No error: the variable may be another program's, whose name begins in the same way.
pub(super) fn warn_of_unknown() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        if let Some(warning) = warning(names) {
            eprintln!("{warning}");
        }
    });
}

fn warning(names: impl Iterator<Item = String>) -> Option<String> {
    let unknown = |name: &String| {
        name.starts_with("FIBER_")
            && !KNOWN.contains(&name.as_str())
            && !OF_TESTS.iter().any(|beginning| name.starts_with(beginning))
    };
    let mut unknown: Vec<_> = names.filter(unknown).collect();
    unknown.sort();
    let (which, verbs) = match unknown.len() {
        0 => return None,
        1 => ("variable", ["is", "has"]),
        _ => ("variables", ["are", "have"]),
    };
    let ([are, have], unknown, known) = (verbs, unknown.join(", "), KNOWN.join(", "));
    Some(format!("fiber: the environment {which} {unknown} {are} not known and {have} no effect; known are {known}"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        let of = |names: &[&str]| warning(names.iter().map(|&name| name.to_owned()));
        assert_eq!(of(KNOWN), None);
        assert_eq!(of(&["HOME", "FIBERS", "fiber_workers", "FIBER_TEST_PROGRAM", "FIBER_BENCH_SHORT"]), None);
        let one = of(&["FIBER_WORKER", "FIBER_WORKERS"]).unwrap();
        assert!(
            one.starts_with("fiber: the environment variable FIBER_WORKER is not known and has no effect"),
            "{one}"
        );
        assert!(KNOWN.iter().all(|known| one.contains(known)), "{one}");
        let two = of(&["FIBER_THREADS", "FIBER_STACK"]).unwrap();
        assert!(two.contains("variables FIBER_STACK, FIBER_THREADS are not known and have no effect"), "{two}");
    }
}
