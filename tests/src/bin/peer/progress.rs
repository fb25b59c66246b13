//! What the process waits for, so that a time limit that passes can say it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

static STAGE: Mutex<(&str, usize)> = Mutex::new(("nothing", 0));
static DONE: AtomicUsize = AtomicUsize::new(0);

/// A new stage begins, in which `of` things have to happen.
pub(crate) fn stage(name: &'static str, of: usize) {
    *STAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = (name, of);
    DONE.store(0, Ordering::Relaxed);
}

/// One of them has happened.
pub(crate) fn advance() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// The stage, and how far it has come.
pub(crate) fn describe() -> String {
    let (name, of) = *STAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    format!("{name}: {} of {of}", DONE.load(Ordering::Relaxed))
}
