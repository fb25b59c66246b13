//! The meeting of a fiber that ends with the one handle that may wait for it, and how long their record lives.
//!
//! One word of state and one cell for the waiter's waker. Three bits of the word, each set by one side only:
//!
//! | bit | set by | means |
//! | --- | --- | --- |
//! | `DONE` | the fiber, once | the result is written and belongs to the handle, unless `ABANDONED` was set first |
//! | `WAITING` | the handle | a waker is in the cell; the fiber takes it if it finds the bit when it sets `DONE` |
//! | `ABANDONED` | the handle, once, when it is dropped | whoever sets the second of `DONE` and `ABANDONED` drops the result |
//!
//! The cell belongs to the handle while `WAITING` is clear. Setting the bit hands it to the fiber; clearing it takes it
//! back, unless `DONE` came between, and then the fiber has the waker and uses it.
//!
//! The rest of the word counts the references to the record. It begins with two, the runtime's and the handle's; whoever gives the last one up
//! frees the record. Both in one word, because most fibers end when nobody waits yet and the handle is there: then the fiber publishes its
//! result and gives up the runtime's reference [in one step](JoinState::complete_and_release), after which it touches the record no more. In all
//! other cases it still needs the record (for the waker, or to drop the result) and these are two steps.

use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sys::sync::{AtomicUsize, UnsafeCell, fence};

const DONE: usize = 1;
const WAITING: usize = 2;
const ABANDONED: usize = 4;
/// One reference.
const REFERENCE: usize = 8;

/// The join protocol and the references, with `W` the waker of whoever waits.
pub(crate) struct JoinState<W> {
    word: AtomicUsize,
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
    /// Nothing has happened, and there are two references.
    pub(crate) fn new() -> Self {
        JoinState { word: AtomicUsize::new(2 * REFERENCE), waker: UnsafeCell::new(None) }
    }

    /// Whether the result is there. Once true, it stays true, and the result's writes are visible.
    pub(crate) fn is_done(&self) -> bool {
        self.word.load(Acquire) & DONE != 0
    }

    /// Whether a waker is in the cell, which nobody else has at hand.
    #[inline(always)]
    pub(crate) fn has_waker(&mut self) -> bool {
        // SAFETY: the exclusive reference.
        self.waker.with_mut(|cell| unsafe { (*cell).is_some() })
    }

    /// The fiber's side: publishes the result.
    pub(crate) fn complete(&self) -> Completed<W> {
        let before = self.word.fetch_or(DONE, AcqRel);
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

    /// The fiber's side: publishes the result and gives a reference up, which is not the last. `true` if so; then the record may be gone.
    /// `false` if nothing was done, because somebody waits or the handle is gone.
    #[inline]
    pub(crate) fn complete_and_release(&self) -> bool {
        let seen = self.word.load(Relaxed);
        debug_assert_eq!(seen & DONE, 0, "a fiber ends once");
        if seen & (WAITING | ABANDONED) != 0 {
            return false;
        }
        debug_assert!(seen / REFERENCE >= 2, "the handle has one");
        // Release: for whoever finds the result, and for whoever finds that his reference is the last.
        self.word.compare_exchange(seen, seen + DONE - REFERENCE, Release, Relaxed).is_ok()
    }

    /// One more reference, by somebody who has one.
    #[inline]
    pub(crate) fn retain(&self) {
        self.word.fetch_add(REFERENCE, Relaxed);
    }

    /// One reference less. `true` if it was the last: then everything that was done with others is visible.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Nobody can make one more of the last but its owner, who calls this.
        if self.word.load(Acquire) / REFERENCE == 1 {
            return true;
        }
        if self.word.fetch_sub(REFERENCE, Release) / REFERENCE != 1 {
            return false;
        }
        fence(Acquire);
        true
    }

    /// The handle's side: leaves a waker. `false` if the fiber is done: then nobody will be woken and the result is there.
    ///
    /// Called with no waker registered, by the one handle.
    pub(crate) fn register(&self, waker: W) -> bool {
        // SAFETY: `WAITING` is clear, so the cell is the handle's.
        self.waker.with_mut(|cell| unsafe { *cell = Some(waker) });
        if self.word.fetch_or(WAITING, AcqRel) & DONE == 0 {
            return true;
        }
        // SAFETY: `DONE` was set before `WAITING`, so the fiber saw no waiter and leaves the cell to the handle.
        self.waker.with_mut(|cell| drop(unsafe { (*cell).take() }));
        false
    }

    /// The handle's side: takes its waker back. `false` if the fiber has it already, or is done.
    pub(crate) fn unregister(&self) -> bool {
        let before = self.word.fetch_and(!WAITING, AcqRel);
        if before & DONE != 0 {
            return false;
        }
        // SAFETY: `WAITING` is clear again and `DONE` was not set while it stood, so the cell is the handle's.
        self.waker.with_mut(|cell| drop(unsafe { (*cell).take() }));
        true
    }

    /// The handle's side: it goes away. `true` if the result is there, and so the handle's to drop.
    pub(crate) fn abandon(&self) -> bool {
        self.word.fetch_or(ABANDONED, AcqRel) & DONE != 0
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
    fn a_fiber_that_nobody_waits_for_ends_in_one_step() {
        let state = JoinState::<()>::new();
        assert!(state.complete_and_release());
        assert!(state.is_done());
        assert!(!state.register(()));
        assert!(state.release(), "the fiber's is gone");
    }

    #[test]
    fn a_fiber_that_somebody_waits_for_ends_in_two() {
        let state = JoinState::new();
        assert!(state.register(7));
        assert!(!state.complete_and_release() && !state.is_done());
        assert!(matches!(state.complete(), Completed::Wake(7)));
        state.retain();
        assert!(!state.release() && !state.release() && state.release());
    }

    #[test]
    fn a_fiber_without_a_handle_ends_in_two() {
        let state = JoinState::<()>::new();
        assert!(!state.abandon() && !state.release());
        assert!(!state.complete_and_release());
        assert!(matches!(state.complete(), Completed::Abandoned));
        assert!(state.release());
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

    /// A record: its state, what the references protect, and the result.
    struct Record {
        state: JoinState<Arc<AtomicUsize>>,
        /// Touched by everybody who frees the record, with the right to all of it, and looked at by those who only use it.
        whole: loom::cell::UnsafeCell<bool>,
        result: loom::cell::UnsafeCell<Option<u32>>,
    }

    // SAFETY: the cells are what the model is about: loom finds accesses that are not ordered.
    unsafe impl Sync for Record {}

    impl Record {
        /// Somebody who has a reference uses the record.
        fn touch(&self) {
            // SAFETY: as for `Sync`.
            self.whole.with(|freed| assert!(unsafe { !*freed }, "it is used after its end"));
        }

        fn release(&self) {
            self.touch();
            if self.state.release() {
                // SAFETY: as for `Sync`.
                self.whole
                    .with_mut(|freed| assert!(unsafe { !std::mem::replace(&mut *freed, true) }, "it is freed once"));
            }
        }

        fn take(&self) -> Option<u32> {
            // SAFETY: as for `Sync`.
            self.result.with_mut(|result| unsafe { (*result).take() })
        }
    }

    /// A fiber ends, in one step if it can, while a handle `acts` and a third has a reference for a while: the result has one owner, and
    /// the record is freed once, by the last of them, after everybody's last use.
    fn ends_while(acts: fn(&Record, &Arc<AtomicUsize>) -> bool) {
        loom::model(move || {
            let record = Arc::new(Record {
                state: JoinState::new(),
                whole: loom::cell::UnsafeCell::new(false),
                result: loom::cell::UnsafeCell::new(None),
            });
            let woken = Arc::new(AtomicUsize::new(0));
            record.state.retain();
            let fiber = thread::spawn({
                let record = record.clone();
                move || {
                    // SAFETY: as for `Sync`.
                    record.result.with_mut(|result| unsafe { *result = Some(7) });
                    record.touch();
                    if record.state.complete_and_release() {
                        return;
                    }
                    match record.state.complete() {
                        Completed::Published => (),
                        Completed::Wake(woken) => _ = woken.fetch_add(1, AcqRel),
                        Completed::Abandoned => assert_eq!(record.take(), Some(7)),
                    }
                    record.release();
                }
            });
            let third = thread::spawn({
                let record = record.clone();
                move || record.release()
            });
            let waits = acts(&record, &woken);
            fiber.join().unwrap();
            third.join().unwrap();
            assert_eq!(woken.load(Acquire), usize::from(waits));
            if waits {
                assert_eq!(record.take(), Some(7));
                record.release();
            }
            // SAFETY: the others are done.
            record.whole.with(|freed| assert!(unsafe { *freed }, "somebody was the last"));
        });
    }

    #[test]
    fn loom_join_frees_the_record_once_while_the_handle_waits() {
        ends_while(|record, woken| {
            if record.state.register(woken.clone()) {
                return true;
            }
            assert_eq!(record.take(), Some(7));
            record.release();
            false
        });
    }

    #[test]
    fn loom_join_frees_the_record_once_while_the_handle_looks() {
        ends_while(|record, _| {
            if record.state.is_done() || record.state.abandon() {
                assert_eq!(record.take(), Some(7));
            }
            record.release();
            false
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
