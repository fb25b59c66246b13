//! `SIGQUIT` prints the dump.
//!
//! The signal handler does the one thing it may: it writes to an event counter. A thread of its own waits for that and
//! prints, so a worker that is held by a fiber does not keep the dump from being made.

use super::dump::Dump;
use super::process;
use crate::sys::stderr::say;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Mutex, PoisonError};

/// The event counter; -1 until the signal is watched.
static COUNTER: AtomicI32 = AtomicI32::new(-1);

/// How many threads this module keeps.
pub(super) fn threads() -> usize {
    usize::from(COUNTER.load(Acquire) >= 0)
}

/// Makes `SIGQUIT` print the dump of every runtime from now on. Twice is once.
pub(super) fn watch() -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if threads() > 0 {
        return Ok(());
    }
    // SAFETY: takes integers, returns a new descriptor or -1.
    let counter = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if counter < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let mut events = unsafe { File::from_raw_fd(counter) };
    COUNTER.store(events.as_raw_fd(), Release);
    let watcher = std::thread::Builder::new().name("fiber-dump".to_owned()).spawn(move || {
        let mut count = [0; 8];
        while events.read_exact(&mut count).is_ok() {
            for runtime in process::all() {
                say(format_args!("{}", Dump::of(&runtime)));
            }
        }
    });
    let installed = watcher.and_then(|_| install());
    if installed.is_err() {
        COUNTER.store(-1, Release);
    }
    installed
}

fn install() -> io::Result<()> {
    extern "C" fn on_quit(_signal: libc::c_int) {
        let one: u64 = 1;
        // SAFETY: write(2) may be called from a signal handler (signal-safety(7)); the counter's descriptor is never closed.
        // A full counter means that a dump is due anyway. `errno` is put back for the code that was interrupted.
        unsafe {
            let errno = *libc::__errno_location();
            libc::write(COUNTER.load(Acquire), (&raw const one).cast(), 8);
            *libc::__errno_location() = errno;
        }
    }
    // SAFETY: an all-zero `sigaction` is a valid one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_quit as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // On the alternate stack: the signal may come while a fiber runs, whose stack is small.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, and its handler does only what a handler may.
    let result = unsafe { libc::sigaction(libc::SIGQUIT, &raw const action, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
