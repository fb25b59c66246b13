//! The plainest `main`; its attributes, visibility and documentation stay.

use std::sync::atomic::{AtomicU32, Ordering};

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Runs on a fiber.
#[fiber::main]
#[allow(clippy::needless_return)]
pub fn main() {
    if RUNS.fetch_add(1, Ordering::Relaxed) == 0 {
        // Means this function, not the one that starts a runtime.
        main();
    }
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);
    return;
}
