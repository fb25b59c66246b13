//! `SIGQUIT` prints the dump.
//!
//! The signal handler does the one thing it may: it writes to an event counter. A thread of its own waits for that and
//! prints, so a worker that is held by a fiber does not keep the dump from being made.

use super::dump::Dump;
use super::process;
use crate::sys::event;
use crate::sys::signal::{Arrival, register};
use crate::sys::stderr::say;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the signal is watched.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// How many threads this module keeps.
pub(super) fn threads() -> usize {
    usize::from(WATCHED.load(Acquire))
}

/// Makes `SIGQUIT` print the dump of every runtime from now on. Twice is once.
pub(super) fn watch() -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if threads() > 0 {
        return Ok(());
    }
    let quit = Arc::new(Quit(event::counter(false)?));
    let events = quit.0.try_clone()?;
    // Before the thread, which cannot be taken back. If it does not start, the signal does nothing.
    register(libc::SIGQUIT, quit)?;
    std::thread::Builder::new().name("fiber-dump".to_owned()).spawn(move || print_dumps(events))?;
    WATCHED.store(true, Release);
    Ok(())
}

fn print_dumps(mut events: File) {
    let mut count = [0; 8];
    while events.read_exact(&mut count).is_ok() {
        for runtime in process::all() {
            say(format_args!("{}", Dump::of(&runtime)));
        }
    }
}

/// That the signal has come.
struct Quit(File);

impl Arrival for Quit {
    fn mark(&self) {}

    fn counter(&self) -> &File {
        &self.0
    }
}
