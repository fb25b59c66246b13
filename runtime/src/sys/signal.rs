//! What is done when a signal comes, beside others in the process that have plans for it.
//!
//! Through `signal-hook-registry`, which all well-behaved crates share: it calls every registered action, and the handler that was
//! there before the first.

use crate::sys::errno::last_error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, mem, ptr};

pub(crate) use signal_hook_registry::SigId as Registration;

/// What a handler may do: mark that a signal has come, and raise a counter.
pub(crate) trait Arrival: Send + Sync + 'static {
    /// Marks it. Called in a signal handler: nothing but atomics.
    fn mark(&self);

    /// The counter to raise then, which somebody waits for.
    fn counter(&self) -> &fs::File;
}

/// From now on `arrival` is marked whenever this signal comes, until it is [`unregister`]ed. What the system does by default with
/// the signal it does no more, for good.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for signals that have no handlers, or no safe ones; what the system reports.
pub(crate) fn register(signal: i32, arrival: Arc<impl Arrival>) -> io::Result<Registration> {
    if signal_hook_registry::FORBIDDEN.contains(&signal) {
        let text = "SIGKILL and SIGSTOP cannot be watched, nor SIGILL, SIGFPE and SIGSEGV, after which nothing goes on";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let on_arrival = move || {
        arrival.mark();
        // At its end, where it does not wait, it is raised already. The registry puts `errno` back.
        let _ = arrival.counter().write(&1u64.to_ne_bytes());
    };
    // SAFETY: the action does what a signal handler may: it writes to atomics, by the contract of `mark`, and to a descriptor, by write(2).
    // Neither it nor its result allocates, locks or panics.
    let registration = unsafe { signal_hook_registry::register(signal, on_arrival) }?;
    move_off_the_stack(signal);
    Ok(registration)
}

/// What a handler may do that looks around: nothing but atomics and calls that are safe in a handler.
pub(crate) type Walk = fn();

/// Calls `walk` in the handler of this signal from now on, for good.
///
/// # Errors
///
/// What the system reports.
pub(crate) fn register_walk(signal: i32, walk: Walk) -> io::Result<()> {
    // SAFETY: by the contract of `Walk`; the registry puts `errno` back.
    unsafe { signal_hook_registry::register(signal, walk) }?;
    move_off_the_stack(signal);
    Ok(())
}

/// Ends what [`register`] began.
pub(crate) fn unregister(registration: Registration) {
    signal_hook_registry::unregister(registration);
}

/// Has the handler of this signal run on the thread's alternate stack, if it has one: the registry does not ask for it, and a fiber's stack,
/// on which it would run, may be small. Once for each signal, right after the registry's handler came there.
fn move_off_the_stack(signal: i32) {
    static MOVED: Mutex<u128> = Mutex::new(0);
    let mut moved = MOVED.lock().unwrap_or_else(PoisonError::into_inner);
    if *moved & 1 << signal != 0 {
        return;
    }
    *moved |= 1 << signal;
    // SAFETY: an all-zero `sigaction` is a valid one.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes to `action`, during the call.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) } == 0 {
        action.sa_flags |= libc::SA_ONSTACK;
        // SAFETY: the action is the one in force, with one more flag. A refusal leaves it as it was.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
}

/// Waits, on a thread, until the counter is raised, at most for so long. Whether it was.
pub(crate) fn await_raised(counter: &fs::File, timeout: Option<std::time::Duration>) -> io::Result<bool> {
    use std::os::fd::AsRawFd;
    let mut poll = libc::pollfd { fd: counter.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // In the kernel's form; longer than it knows is as long as it takes.
    let limit = timeout.and_then(|timeout| {
        let tv_sec = timeout.as_secs().try_into().ok()?;
        Some(libc::timespec { tv_sec, tv_nsec: timeout.subsec_nanos().into() })
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: list and limit are of this frame.
    match unsafe { libc::ppoll(&raw mut poll, 1, limit, ptr::null()) } {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match last_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}
