//! Tests that need a process of their own: because it ends by a signal, or changes what all threads share.

use std::process::{Command, Output};

use crate::sys::memory;

/// Set to a test's name in the process made for it.
const VARIABLE: &str = "FIBER_TEST_CHILD";

/// Runs test `name` of module `module` (its `module_path!()`) again in a process of its own, and returns what came of it; `None` in
/// that process, where the test then does its work.
pub(crate) fn rerun(module: &str, name: &str) -> Option<Output> {
    if std::env::var(VARIABLE).is_ok_and(|child| child == name) {
        return None;
    }
    let (_, module) = module.split_once("::").expect("a module inside the crate");
    let output = Command::new(std::env::current_exe().expect("the test binary"))
        .args(["--exact", &format!("{module}::{name}"), "--nocapture", "--include-ignored"])
        .env(VARIABLE, name)
        .output()
        .expect("the test binary runs");
    Some(output)
}

/// Panics with what the process wrote unless its test passed.
pub(crate) fn assert_passed(output: &Output) {
    let written = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && written.contains("1 passed"),
        "{}\n{written}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether the process runs under AddressSanitizer, which handles faults itself, keeps buffers off the stack, makes `mlockall` do
/// nothing and needs mappings of its own; says so, since the test is then skipped.
pub(crate) fn under_sanitizer() -> bool {
    // Its shadow memory is where nothing else ever is.
    let shadow = if cfg!(target_arch = "x86_64") { 0x7fff_8000 } else { 1 << 36 };
    let found = memory::resident(shadow, &mut [0]).is_ok();
    if found {
        eprintln!("skipped under AddressSanitizer");
    }
    found
}
