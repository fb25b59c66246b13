//! Where wakes from other threads arrive: a stack of records with many producers and one consumer, and the sleep state
//! that decides whether a producer has to ring.
//!
//! A record is in at most one inbox, once: whoever turns its `posted` flag on pushes it, with a reference, and whoever finds
//! the flag on has nothing to do, because the push that is under way, or done, will be drained after the flag was set. The
//! consumer clears the flag *before* it looks at the fiber. A fresh fiber that one worker alone may start comes the same way, once, and so does one
//! that another worker gave away. R. K. Treiber, "Systems Programming: Coping with Parallelism"
//! (IBM RJ 5118, 1986), without its pop: the consumer takes the whole stack at once, so there is no ABA.

use crate::fiber::record::{FiberRef, Header};
use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sys::sync::{AtomicPtr, AtomicU8, fence};
use std::ptr;

/// The head of a closed inbox: no address of a record, which is aligned.
const CLOSED: *mut Header = ptr::without_provenance_mut(1);

/// The inbox of one worker.
pub(crate) struct Inbox {
    head: AtomicPtr<Header>,
}

impl Inbox {
    /// A closed inbox: what is posted to it is dropped.
    pub(crate) fn closed() -> Inbox {
        Inbox { head: AtomicPtr::new(CLOSED) }
    }

    /// Begins to accept. Called by the worker that takes the inbox over.
    pub(crate) fn open(&self) {
        self.head.store(ptr::null_mut(), Release);
    }

    /// Asks the inbox's worker to look at a fiber. `true` if the inbox has changed and its worker may have to be rung.
    pub(crate) fn post(&self, fiber: FiberRef) -> bool {
        if fiber.posted.swap(true, AcqRel) {
            return false;
        }
        let record = fiber.into_raw();
        let mut head = self.head.load(Relaxed);
        loop {
            if head == CLOSED {
                // SAFETY: just made by `into_raw`; nobody else has seen the pointer.
                drop(unsafe { FiberRef::from_raw(record) });
                return false;
            }
            // SAFETY: the pointer carries a reference, so the record is alive, and the `posted` flag makes its link ours.
            unsafe { (*record).next.store(head, Relaxed) };
            match self.head.compare_exchange_weak(head, record, Release, Relaxed) {
                Ok(_) => return true,
                Err(seen) => head = seen,
            }
        }
    }

    /// Whether nothing is posted.
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Acquire);
        head.is_null() || head == CLOSED
    }

    /// Takes all that was posted and hands it over, oldest first. Called by the inbox's worker.
    pub(crate) fn drain(&self, deliver: impl FnMut(FiberRef)) {
        if self.head.load(Relaxed).is_null() {
            return;
        }
        // Release, too: whoever finds the inbox empty sees that its worker is awake (the stall report reads it so).
        Self::hand_over(self.head.swap(ptr::null_mut(), AcqRel), deliver);
    }

    /// Ends the inbox: what it holds and what is posted later is dropped.
    pub(crate) fn close(&self) {
        Self::hand_over(self.head.swap(CLOSED, AcqRel), drop);
    }

    fn hand_over(mut newest: *mut Header, mut deliver: impl FnMut(FiberRef)) {
        let mut oldest = ptr::null_mut();
        while !newest.is_null() && newest != CLOSED {
            // SAFETY: the list was taken whole; its records are alive by the references that their pointers carry, and their
            // links are ours until `posted` is cleared.
            let older = unsafe { (*newest).next.load(Relaxed) };
            // SAFETY: as above.
            unsafe { (*newest).next.store(oldest, Relaxed) };
            oldest = newest;
            newest = older;
        }
        while !oldest.is_null() {
            // SAFETY: as above.
            let next = unsafe { (*oldest).next.load(Relaxed) };
            // SAFETY: each pointer of the list was made by `into_raw` in `post` and is taken back here, once.
            let fiber = unsafe { FiberRef::from_raw(oldest) };
            // From here on the record may be posted again, and its link is no longer ours.
            fiber.posted.swap(false, AcqRel);
            deliver(fiber);
            oldest = next;
        }
    }
}

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;

/// Whether a worker sleeps in its driver, or is about to.
///
/// The worker: [`fall_asleep`](Self::fall_asleep) ► look once more at everything that could give it work ► enter the driver ►
/// [`wake_up`](Self::wake_up). A producer: publish the work ► [`must_ring`](Self::must_ring) ► ring if told so. Each side has a
/// sequentially consistent fence between its write and its read, so one of them sees the other's (Dekker).
pub(crate) struct Sleep(AtomicU8);

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep(AtomicU8::new(AWAKE))
    }

    /// Announces sleep. What was published before by anybody who read "awake" is visible after.
    pub(crate) fn fall_asleep(&self) {
        self.0.store(ASLEEP, Relaxed);
        fence(SeqCst);
    }

    /// Ends the announcement.
    pub(crate) fn wake_up(&self) {
        self.0.store(AWAKE, Relaxed);
    }

    /// After publishing work: whether the caller has to ring. At most one producer is told so for each sleep.
    #[must_use]
    pub(crate) fn must_ring(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) == ASLEEP && self.0.swap(AWAKE, AcqRel) == ASLEEP
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::fiber::identity::Identity;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicUsize};
    use loom::thread;

    struct Worker {
        inbox: Inbox,
        sleep: Sleep,
        rung: AtomicBool,
    }

    impl Worker {
        fn new() -> Arc<Worker> {
            let worker = Worker { inbox: Inbox::closed(), sleep: Sleep::new(), rung: AtomicBool::new(false) };
            worker.inbox.open();
            Arc::new(worker)
        }

        fn send(&self, fiber: FiberRef) {
            if self.inbox.post(fiber) && self.sleep.must_ring() {
                self.rung.store(true, SeqCst);
            }
        }
    }

    fn fiber() -> FiberRef {
        let (fiber, handle) = FiberRef::spawn(|| (), 1, Identity::default());
        drop(handle);
        fiber
    }

    /// Two producers, one worker that goes to sleep: whatever is posted is drained before the sleep, or rings.
    #[test]
    fn loom_inbox_no_wake_is_lost_when_the_worker_parks() {
        let mut bounded = loom::model::Builder::new();
        // Unbounded it takes minutes and finds no more.
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let worker = Worker::new();
            let producers: Vec<_> = (0..2)
                .map(|_| {
                    let (worker, fiber) = (worker.clone(), fiber());
                    thread::spawn(move || worker.send(fiber))
                })
                .collect();
            let mut drained = 0;
            worker.sleep.fall_asleep();
            let slept = worker.inbox.is_empty();
            worker.sleep.wake_up();
            worker.inbox.drain(|_| drained += 1);
            for producer in producers {
                producer.join().unwrap();
            }
            let before = drained;
            worker.inbox.drain(|_| drained += 1);
            assert_eq!(drained, 2);
            if !slept {
                assert!(before > 0, "a worker that stayed awake because of its inbox finds something in it");
            }
        });
    }

    /// The same, with a worker that really sleeps: it may stay in the driver only while its inbox is empty, or rung for.
    #[test]
    fn loom_inbox_a_sleeping_worker_is_rung() {
        loom::model(|| {
            let worker = Worker::new();
            let producer = {
                let (worker, fiber) = (worker.clone(), fiber());
                thread::spawn(move || worker.send(fiber))
            };
            worker.sleep.fall_asleep();
            let sleeps = worker.inbox.is_empty();
            producer.join().unwrap();
            if sleeps {
                assert!(worker.rung.load(SeqCst), "posted after the look: must ring");
            }
            worker.sleep.wake_up();
            worker.inbox.drain(drop);
        });
    }

    /// One fiber posted from two threads while its worker drains: after the last post there is a look at the fiber, and the
    /// record is freed exactly once. What each poster wrote before it posted is visible to that look.
    #[test]
    fn loom_inbox_a_fiber_posted_twice_is_seen_after_both() {
        loom::model(|| {
            let worker = Worker::new();
            let wanted = Arc::new(AtomicUsize::new(0));
            let shared = fiber();
            let posters: Vec<_> = (0..2)
                .map(|_| {
                    let (worker, fiber, wanted) = (worker.clone(), shared.clone(), wanted.clone());
                    thread::spawn(move || {
                        wanted.fetch_add(1, Relaxed);
                        worker.inbox.post(fiber);
                    })
                })
                .collect();
            let mut seen = 0;
            worker.inbox.drain(|_| seen = wanted.load(Relaxed));
            for poster in posters {
                poster.join().unwrap();
            }
            worker.inbox.drain(|_| seen = wanted.load(Relaxed));
            assert_eq!(seen, 2);
            drop(shared);
        });
    }

    /// Closing against a post: the record is dropped by one side.
    #[test]
    fn loom_inbox_closing_drops_what_is_posted() {
        loom::model(|| {
            let worker = Worker::new();
            let shared = fiber();
            let poster = {
                let (worker, fiber) = (worker.clone(), shared.clone());
                thread::spawn(move || worker.send(fiber))
            };
            worker.inbox.close();
            poster.join().unwrap();
            assert!(worker.inbox.is_empty());
            drop(shared);
        });
    }
}
