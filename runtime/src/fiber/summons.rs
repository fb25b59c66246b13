//! Telling a fiber to end, while a worker may be about to start it.
//!
//! Two words, written by two sides:
//!
//! | word | written by | means |
//! | --- | --- | --- |
//! | `reason` | whoever cancels, once | the fiber is to end, and why |
//! | `home` | the worker that starts the fiber, once | that it has started, and where it is woken from then on, if it stays |
//!
//! Whoever cancels writes `reason` and then reads `home`, to wake the fiber there; a fiber that has none is left alone. The worker writes
//! `home`, and the fiber reads `reason` before it waits. Each side has a sequentially consistent fence between its write and its read, so one of
//! them sees the other's write: the fiber is woken, or does not begin to wait. The fiber pays for its fence before its first wait only:
//! from then on it has a home that everybody sees who writes `reason` afterwards.

use super::unwind::CancelReason;
use crate::sys::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sys::sync::{AtomicPtr, AtomicU8, fence};
use std::ptr;

/// Why a fiber is to end, and where it can be told.
pub(crate) struct Summons {
    /// Zero if it is not to end.
    reason: AtomicU8,
    home: AtomicPtr<()>,
}

/// The home of a fiber that had a keeper before it started, and may now be started by anybody: no address of a home, which is aligned.
pub(crate) const NOWHERE: *mut () = ptr::without_provenance_mut(1);

impl Summons {
    pub(crate) fn new() -> Summons {
        Summons { reason: AtomicU8::new(0), home: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Notes why the fiber is to end, unless that was noted before. For its own worker, or before [`home`](Self::home) after
    /// [`announce`](Self::announce).
    pub(crate) fn mark(&self, reason: CancelReason) {
        let _ = self.reason.compare_exchange(0, reason as u8, Relaxed, Relaxed);
    }

    /// The same from anywhere: whoever then reads the fiber's home, and wakes it there, has done all there is to do.
    pub(crate) fn announce(&self, reason: CancelReason) {
        self.mark(reason);
        fence(SeqCst);
    }

    /// Where the fiber lives, or is kept to start later; null before, and [`NOWHERE`] in between.
    #[inline]
    pub(crate) fn home(&self) -> *mut () {
        self.home.load(Acquire)
    }

    /// The worker's side: the fiber is about to start here, or is kept here; or kept no longer.
    pub(crate) fn settle(&self, home: *mut ()) {
        self.home.store(home, Release);
    }

    /// The fiber's side, before its first wait and before it asks for the reason.
    #[inline]
    pub(crate) fn before_first_wait(&self) {
        fence(SeqCst);
    }

    /// Whether the fiber is to end.
    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.reason.load(Relaxed) != 0
    }

    /// Why it is to end, if it is.
    pub(crate) fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_number(self.reason.load(Relaxed))
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A fiber that is cancelled while it starts is woken, or sees it before it waits.
    #[test]
    fn loom_summons_reaches_a_fiber_that_starts() {
        loom::model(|| {
            let summons = Arc::new(Summons::new());
            let starts = thread::spawn({
                let summons = summons.clone();
                move || {
                    summons.settle(ptr::dangling_mut());
                    summons.before_first_wait();
                    summons.reason().is_some()
                }
            });
            summons.announce(CancelReason::User);
            let is_woken = !summons.home().is_null();
            let has_seen = starts.join().unwrap();
            assert!(is_woken || has_seen);
        });
    }

    /// Of two who cancel, one is first, and its reason stays; both know where the fiber is, or it sees one of them.
    #[test]
    fn loom_summons_has_one_reason() {
        loom::model(|| {
            let summons = Arc::new(Summons::new());
            let cancels = |reason| {
                let summons = summons.clone();
                thread::spawn(move || {
                    summons.announce(reason);
                    (!summons.home().is_null(), summons.reason())
                })
            };
            let (one, other) = (cancels(CancelReason::User), cancels(CancelReason::SiblingFailed));
            summons.settle(ptr::dangling_mut());
            summons.before_first_wait();
            let has_seen = summons.is_marked();
            let ((one_wakes, one_saw), (other_wakes, other_saw)) = (one.join().unwrap(), other.join().unwrap());
            assert_eq!((one_saw, other_saw), (summons.reason(), summons.reason()));
            assert!(has_seen || (one_wakes && other_wakes));
        });
    }
}
