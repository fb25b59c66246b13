//! What tests of waits have in common: fibers that wait, and are cancelled in it.

use crate::runtime::{Builder, Handle, Reason, State};
use crate::time::sleep;
use crate::{Cancelled, JoinHandle, spawn};
use std::io;
use std::time::Duration;

/// Runs `f` as a fiber of a runtime with one worker, so that whatever holds up the worker holds up the test.
pub(crate) fn on_one_worker<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    Builder::new().workers(1).build().unwrap().run(f)
}

/// Whether a wait ended because its fiber was cancelled.
pub(crate) fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Cancelled>())
}

/// Waits until a fiber waits for this.
pub(crate) fn until_waiting(reason: Reason) {
    let waits = || {
        let dump = Handle::try_current().unwrap().dump();
        dump.fibers().iter().any(|fiber| fiber.state() == State::Waiting(reason))
    };
    while !waits() {
        sleep(Duration::from_micros(100));
    }
}

/// Waits until this fiber waits, for whatever.
pub(crate) fn until_it_waits<T>(fiber: &JoinHandle<T>) {
    let id = fiber.fiber().id();
    let waits = || {
        let dump = Handle::try_current().unwrap().dump();
        dump.fibers().iter().any(|fiber| fiber.id() == id && matches!(fiber.state(), State::Waiting(_)))
    };
    while !waits() {
        assert!(!fiber.is_finished(), "it waits");
        sleep(Duration::from_micros(100));
    }
}

/// Cancels a fiber in its wait and returns the error that the wait gave.
pub(crate) fn cancelled<T: Send + 'static>(
    reason: Reason,
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Error {
    let fiber: JoinHandle<io::Result<T>> = spawn(f);
    until_waiting(reason);
    fiber.cancel();
    fiber.join().expect("the first wait gives an error").err().expect("it was cancelled")
}
