//! The word that says where a migratable fiber is; see the [module](super).

use crate::sys::sync::AtomicPtr;
use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::ptr;

/// Where a fiber is.
pub(crate) struct Course(AtomicPtr<()>);

const fn state(number: usize) -> *mut () {
    ptr::without_provenance_mut(number)
}

const FRESH: *mut () = ptr::null_mut();
const RUNNING: *mut () = state(1);
const NOTIFIED: *mut () = state(2);
const QUEUED: *mut () = state(3);
const ADRIFT: *mut () = state(4);
// Anything else: suspended, and registered with the worker that has its home at this address.

/// What a wake has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Nothing: it will look.
    Already,
    /// To queue the fiber, which belongs to the caller until then.
    Adrift,
    /// To hand the fiber to the worker with this home.
    Anchored(*mut ()),
}

impl Course {
    pub(crate) fn new() -> Course {
        Course(AtomicPtr::new(FRESH))
    }

    /// Whether the fiber has not run yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.0.load(Relaxed) == FRESH
    }

    /// A worker has taken the fiber from a queue, and runs it. What was written before any earlier wake is visible from here on.
    pub(crate) fn run(&self) {
        let was = self.0.swap(RUNNING, AcqRel);
        debug_assert!(was == QUEUED || was == FRESH, "a fiber is taken from one queue");
    }

    /// The fiber was suspended to be queued again. By its worker, which queues it.
    pub(crate) fn queue(&self) {
        self.0.swap(QUEUED, AcqRel);
    }

    /// The fiber was suspended until it is woken, by anybody: it belongs to nobody from here on. Unless it was woken before: `false`, and it
    /// has to be queued by its worker, the caller.
    #[must_use]
    pub(crate) fn cast_off(&self) -> bool {
        self.settle(ADRIFT)
    }

    /// As [`cast_off`](Self::cast_off), but the fiber stays with the worker that has its home at this address.
    #[must_use]
    pub(crate) fn drop_anchor(&self, home: *mut ()) -> bool {
        debug_assert!(home.addr() > ADRIFT.addr(), "a home has an address");
        self.settle(home)
    }

    fn settle(&self, to: *mut ()) -> bool {
        let is_left = self.0.compare_exchange(RUNNING, to, AcqRel, Acquire).is_ok();
        if !is_left {
            self.queue();
        }
        is_left
    }

    /// Somebody wants the fiber to look at its condition, which he has written before.
    #[must_use]
    pub(crate) fn wake(&self) -> Woken {
        let mut seen = self.0.load(Relaxed);
        loop {
            let (next, woken) = match seen {
                // One that has not started will look; one that has ended is left like that.
                FRESH => (FRESH, Woken::Already),
                RUNNING | NOTIFIED => (NOTIFIED, Woken::Already),
                QUEUED => (QUEUED, Woken::Already),
                ADRIFT => (QUEUED, Woken::Adrift),
                home => (QUEUED, Woken::Anchored(home)),
            };
            match self.0.compare_exchange_weak(seen, next, AcqRel, Relaxed) {
                Ok(_) => return woken,
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// Two workers, of which both may take what is queued, and the home of the first.
    struct World {
        course: Course,
        /// The queue that both take from, and the inbox of the first worker: how often the fiber is in them.
        queue: Mutex<usize>,
        inbox: Mutex<usize>,
        /// What the fiber waits for.
        wanted: AtomicUsize,
        /// What belongs to the fiber, and is touched by whoever runs it, or was told by the course that it is his.
        own: UnsafeCell<usize>,
        /// How much of what it waits for the fiber has seen.
        seen: AtomicUsize,
    }

    // SAFETY: `own` is what the models are about: loom finds accesses that are not ordered.
    unsafe impl Sync for World {}

    const HOME: *mut () = ptr::without_provenance_mut(64);

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World {
                course: Course::new(),
                queue: Mutex::new(0),
                inbox: Mutex::new(0),
                wanted: AtomicUsize::new(0),
                own: UnsafeCell::new(0),
                seen: AtomicUsize::new(0),
            })
        }

        fn touch(&self) {
            // SAFETY: as for `Sync`.
            self.own.with_mut(|own| unsafe { *own += 1 });
        }

        fn enqueue(&self) {
            self.touch();
            *self.queue.lock().unwrap() += 1;
        }

        /// Publishes one more of what is waited for, and wakes.
        fn wake(&self) {
            self.wanted.fetch_add(1, Relaxed);
            match self.course.wake() {
                Woken::Already => {}
                Woken::Adrift => self.enqueue(),
                Woken::Anchored(home) => {
                    assert_eq!(home, HOME);
                    *self.inbox.lock().unwrap() += 1;
                }
            }
        }

        /// The fiber runs, sees what there is, and suspends.
        fn turn(&self, anchored: bool) {
            self.course.run();
            self.touch();
            self.seen.store(self.wanted.load(Relaxed), Relaxed);
            self.touch();
            let is_left = if anchored { self.course.drop_anchor(HOME) } else { self.course.cast_off() };
            if !is_left {
                self.enqueue();
            }
        }

        fn take(&self, from: &Mutex<usize>) -> bool {
            let mut queued = from.lock().unwrap();
            assert!(*queued <= 1, "it is queued once");
            std::mem::take(&mut *queued) == 1
        }

        /// Runs the fiber if it is queued.
        fn work(&self, anchored: bool) {
            if self.take(&self.queue) {
                self.turn(anchored);
            }
        }

        /// What the first worker alone does.
        fn drain(&self, anchored: bool) {
            if self.take(&self.inbox) {
                self.touch();
                self.turn(anchored);
            }
        }

        /// When all threads are done: what is queued is run, and then the fiber has seen everything.
        fn finish(&self) {
            while *self.queue.lock().unwrap() + *self.inbox.lock().unwrap() > 0 {
                self.work(false);
                self.drain(false);
            }
            assert_eq!(self.seen.load(Relaxed), self.wanted.load(Relaxed), "no wake is lost");
        }
    }

    /// A fiber that is adrift is woken by two while one worker suspends it and another may take it: it runs on one at a time, and after the
    /// last wake once more.
    #[test]
    fn loom_course_wakes_meet_a_move() {
        let mut bounded = loom::model::Builder::new();
        // With more it takes minutes.
        bounded.preemption_bound = Some(2);
        bounded.check(|| {
            let world = World::new();
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let world = world.clone();
                    thread::spawn(move || world.wake())
                })
                .collect();
            let thief = thread::spawn({
                let world = world.clone();
                move || world.work(false)
            });
            world.turn(false);
            world.work(false);
            for waker in wakers {
                waker.join().unwrap();
            }
            thief.join().unwrap();
            world.finish();
        });
    }

    /// A fiber is registered with the first worker for one wait, woken there by another thread and by that worker itself, and then leaves.
    #[test]
    fn loom_course_an_anchor_is_weighed_once() {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let world = World::new();
            let waker = thread::spawn({
                let world = world.clone();
                move || world.wake()
            });
            let thief = thread::spawn({
                let world = world.clone();
                move || world.work(false)
            });
            // The first worker: the fiber suspends with a timer set, which passes; others post what they wake.
            world.turn(true);
            if world.course.wake() != Woken::Already {
                world.enqueue();
            }
            world.drain(false);
            waker.join().unwrap();
            thief.join().unwrap();
            world.finish();
        });
    }

    /// A wake that comes while the fiber starts is seen.
    #[test]
    fn loom_course_a_wake_meets_the_start() {
        loom::model(|| {
            let world = World::new();
            let waker = thread::spawn({
                let world = world.clone();
                move || world.wake()
            });
            world.turn(false);
            waker.join().unwrap();
            world.finish();
        });
    }
}
