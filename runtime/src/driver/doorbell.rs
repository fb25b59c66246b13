//! What wakes a worker that sleeps in its driver.

use crate::sys::event;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// Ends the [`park`](super::Driver::park) in progress, or the next one, of the driver it came from.
///
/// Any thread may ring, as often as it likes; rings that come close together may wake once. Once the driver is gone a ring does
/// nothing.
///
/// It is an `eventfd`, whose counter nobody reads: with edge-triggered polling each write counts (the same idea as in mio's waker).
#[derive(Clone, Debug)]
pub(crate) struct Doorbell {
    counter: Arc<File>,
}

impl Doorbell {
    pub(super) fn new() -> io::Result<Doorbell> {
        Ok(Doorbell { counter: Arc::new(event::counter(true)?) })
    }

    /// Wakes the driver.
    pub(crate) fn ring(&self) {
        loop {
            match (&*self.counter).write(&1u64.to_ne_bytes()) {
                // The counter is at its end. Emptying it makes room; the write after it is the edge that wakes.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.reset(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                // An eventfd knows no other error.
                _ => return,
            }
        }
    }

    /// Empties the counter, so that a level-triggered poll does not see it ring any more.
    pub(super) fn reset(&self) {
        // `WouldBlock` says that it is empty already.
        let _ = (&*self.counter).read(&mut [0; 8]);
    }

    pub(super) fn fd(&self) -> RawFd {
        self.counter.as_raw_fd()
    }
}
