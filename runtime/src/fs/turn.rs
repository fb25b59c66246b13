//! Who may use the position of a file.
#![deny(unsafe_code)]

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Lets one transfer at a time move the position of a file.
///
/// The kernel does so for system calls on files that have a position (`f_pos_lock`), and not for operations of an io_uring: two of these at
/// once would write to the same place.
#[derive(Default)]
pub(super) struct Turn {
    taken: AtomicBool,
    waiting: Waiting,
}

struct Waiting(WaitList);

impl Default for Waiting {
    fn default() -> Self {
        Waiting(WaitList::new())
    }
}

/// A turn. Dropping it ends it.
pub(crate) struct Taken<'a>(&'a Turn);

impl Turn {
    /// Waits for a turn, on fibers and on threads.
    ///
    /// # Errors
    ///
    /// That of a cancellation or of a time limit around the call (or an unwinding).
    pub(super) fn take(&self) -> io::Result<Taken<'_>> {
        while self.taken.swap(true, SeqCst) {
            // Whoever ends a turn clears the flag and then looks at the list, under the list's lock; and so is the flag looked at here.
            match self.waiting.0.wait(Reason::FilePosition, None, false, || self.taken.load(SeqCst)) {
                Err(GaveUp::Interrupted(interruption)) => return Err(interruption.into_error()),
                Ok(_) | Err(GaveUp::TimedOut) => (),
            }
        }
        Ok(Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, SeqCst);
        self.0.waiting.0.wake_one();
    }
}
