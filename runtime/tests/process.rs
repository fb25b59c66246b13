#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! What a whole process does: how it reports, dumps, deadlocks, overflows and ends.
//!
//! This binary has no harness: it starts itself as each of the [`programs`], which have the main thread to themselves, and
//! checks what becomes of them. Arguments select tests by parts of their names, as with the usual harness.

#[path = "process/checks.rs"]
mod checks;
#[path = "process/child.rs"]
mod child;
#[path = "process/programs.rs"]
mod programs;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(child::PROGRAM) {
        let program = programs::ALL.iter().find(|(known, _)| *known == name);
        return program.unwrap_or_else(|| panic!("no program is called {name}")).1();
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let is_skipped = |at: usize| at > 0 && arguments[at - 1] == "--skip";
    let words = || arguments.iter().enumerate().filter(|(_, argument)| !argument.starts_with('-'));
    let filters: Vec<_> = words().filter(|&(at, _)| !is_skipped(at)).map(|(_, filter)| filter).collect();
    let skips: Vec<_> = words().filter(|&(at, _)| is_skipped(at)).map(|(_, skip)| skip).collect();
    let matches = |name: &str, filter: &String| if exact { name == filter } else { name.contains(filter) };
    let fits = |name: &str| {
        (filters.is_empty() || filters.iter().any(|filter| matches(name, filter)))
            && !skips.iter().any(|skip| matches(name, skip))
    };
    let chosen: Vec<_> = checks::ALL.iter().filter(|(name, _)| fits(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let (queue, failed) = (Mutex::new(chosen.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                loop {
                    let Some((name, check)) = queue.lock().unwrap().next() else {
                        break;
                    };
                    let passed = catch_unwind(check).is_ok();
                    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
                    if !passed {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let result = if failed.is_empty() { "ok".to_owned() } else { format!("FAILED: {}", failed.join(", ")) };
    println!("\ntest result: {result}. {} passed; {} failed\n", chosen.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
