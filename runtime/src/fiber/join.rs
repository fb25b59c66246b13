//! The meeting of a fiber that ends with the one handle that may wait for it.
//!
//! One byte of state and one cell for the waiter's waker. Three bits, each set by one side only:
//!
//! | bit | set by | means |
//! | --- | --- | --- |
//! | `DONE` | the fiber, once | the result is written and belongs to the handle, unless `ABANDONED` was set first |
//! | `WAITING` | the handle | a waker is in the cell; the fiber takes it if it finds the bit when it sets `DONE` |
//! | `ABANDONED` | the handle, once, when it is dropped | whoever sets the second of `DONE` and `ABANDONED` drops the result |
//!
//! The cell belongs to the handle while `WAITING` is clear. Setting the bit hands it to the fiber; clearing it takes it
//! back, unless `DONE` came between, and then the fiber has the waker and uses it.

use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire};
use crate::sys::sync::{AtomicU8, UnsafeCell};

const DONE: u8 = 1;
const WAITING: u8 = 2;
const ABANDONED: u8 = 4;

/// The join protocol, with `W` the waker of whoever waits.
pub(crate) struct JoinState<W> {
    bits: AtomicU8,
    waker: UnsafeCell<Option<W>>,
}

// SAFETY: the cell is passed between the two sides by the `WAITING` and `DONE` bits with acquire and release, as the
// module says, so that at each moment one side alone may touch it; `W` moves between threads, hence `Send`.
unsafe impl<W: Send> Sync for JoinState<W> {}

/// What the fiber has to do after it set `DONE`.
#[must_use]
pub(crate) enum Completed<W> {
    /// Nobody waits yet; the handle will find the result.
    Published,
    /// Somebody waits: wake it.
    Wake(W),
    /// The handle is gone: the result is the fiber's to drop.
    Abandoned,
}

impl<W> JoinState<W> {
    pub(crate) fn new() -> Self {
        JoinState { bits: AtomicU8::new(0), waker: UnsafeCell::new(None) }
    }

    /// Whether the result is there. Once true, it stays true, and the result's writes are visible.
    pub(crate) fn is_done(&self) -> bool {
        self.bits.load(Acquire) & DONE != 0
    }

    /// Whether a waker is in the cell, which nobody else has at hand.
    #[inline(always)]
    pub(crate) fn has_waker(&mut self) -> bool {
        // SAFETY: the exclusive reference.
        self.waker.with_mut(|cell| unsafe { (*cell).is_some() })
    }

    /// The fiber's side: publishes the result.
    pub(crate) fn complete(&self) -> Completed<W> {
        let before = self.bits.fetch_or(DONE, AcqRel);
        debug_assert_eq!(before & DONE, 0, "a fiber ends once");
        if before & ABANDONED != 0 {
            return Completed::Abandoned;
        }
        if before & WAITING != 0 {
            // SAFETY: `WAITING` was set and `DONE` was not: the handle wrote the waker before it set the bit and, now that
            // `DONE` is set, does not touch the cell again.
            if let Some(waker) = self.waker.with_mut(|cell| unsafe { (*cell).take() }) {
                return Completed::Wake(waker);
            }
        }
        Completed::Published
    }

    /// The handle's side: leaves a waker. `false` if the fiber is done: then nobody will be woken and the result is there.
    ///
    /// Called with no waker registered, by the one handle.
    pub(crate) fn register(&self, waker: W) -> bool {
        // SAFETY: `WAITING` is clear, so the cell is the handle's.
        self.waker.with_mut(|cell| unsafe { *cell = Some(waker) });
        if self.bits.fetch_or(WAITING, AcqRel) & DONE == 0 {
            return true;
        }
        // SAFETY: `DONE` was set before `WAITING`, so the fiber saw no waiter and leaves the cell to the handle.
        self.waker.with_mut(|cell| drop(unsafe { (*cell).take() }));
        false
    }

    /// The handle's side: takes its waker back. `false` if the fiber has it already, or is done.
    pub(crate) fn unregister(&self) -> bool {
        let before = self.bits.fetch_and(!WAITING, AcqRel);
        if before & DONE != 0 {
            return false;
        }
        // SAFETY: `WAITING` is clear again and `DONE` was not set while it stood, so the cell is the handle's.
        self.waker.with_mut(|cell| drop(unsafe { (*cell).take() }));
        true
    }

    /// The handle's side: it goes away. `true` if the result is there, and so the handle's to drop.
    pub(crate) fn abandon(&self) -> bool {
        self.bits.fetch_or(ABANDONED, AcqRel) & DONE != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_is_there_needs_no_waker() {
        let state = JoinState::new();
        assert!(matches!(state.complete(), Completed::Published));
        assert!(!state.register(1));
        assert!(state.abandon());
    }

    #[test]
    fn a_waiter_is_handed_over_once() {
        let state = JoinState::new();
        assert!(state.register(7));
        assert!(matches!(state.complete(), Completed::Wake(7)));
        assert!(!state.unregister());
    }

    #[test]
    fn a_waiter_taken_back_is_not_woken() {
        let state = JoinState::new();
        assert!(state.register(7));
        assert!(state.unregister());
        assert!(matches!(state.complete(), Completed::Published));
    }

    #[test]
    fn a_result_nobody_wants_is_dropped_by_the_fiber() {
        let state = JoinState::<()>::new();
        assert!(!state.abandon());
        assert!(matches!(state.complete(), Completed::Abandoned));
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// The fiber ends while the handle waits, gives up, and is dropped: the result has exactly one owner, and a waiter that
    /// was not taken back is woken.
    #[test]
    fn loom_join_gives_the_result_one_owner() {
        loom::model(|| {
            let state = Arc::new(JoinState::<Arc<AtomicUsize>>::new());
            let woken = Arc::new(AtomicUsize::new(0));
            let dropped = Arc::new(AtomicUsize::new(0));
            let fiber = thread::spawn({
                let (state, dropped) = (state.clone(), dropped.clone());
                move || match state.complete() {
                    Completed::Published => (),
                    Completed::Wake(woken) => {
                        woken.fetch_add(1, AcqRel);
                    }
                    Completed::Abandoned => {
                        dropped.fetch_add(1, AcqRel);
                    }
                }
            });
            let waited = state.register(woken.clone());
            let took_back = waited && state.unregister();
            if state.abandon() {
                dropped.fetch_add(1, AcqRel);
            }
            fiber.join().unwrap();
            assert_eq!(dropped.load(Acquire), 1);
            assert_eq!(woken.load(Acquire), usize::from(waited && !took_back));
        });
    }

    /// A handle that registered and stays is always woken, or told that the result is there.
    #[test]
    fn loom_join_never_sleeps_past_the_end() {
        loom::model(|| {
            let state = Arc::new(JoinState::<Arc<AtomicUsize>>::new());
            let woken = Arc::new(AtomicUsize::new(0));
            let fiber = thread::spawn({
                let state = state.clone();
                move || {
                    if let Completed::Wake(woken) = state.complete() {
                        woken.fetch_add(1, AcqRel);
                    }
                }
            });
            let registered = state.register(woken.clone());
            fiber.join().unwrap();
            assert!(state.is_done());
            assert_eq!(woken.load(Acquire), usize::from(registered));
        });
    }
}
