//! With the feature `migrate`.

use crate::fiber::Named;
use crate::fiber::record::{FiberRef, Header};
use crate::fiber::roam::{Mark, Woken};
use crate::fiber::slot::{FreeSlot, Phase, Slot};
use crate::fiber::stack::Stack;
use crate::fiber::unwind::CancelReason;
use crate::sched::cancel;
use crate::sched::current::Current;
use crate::sched::home::Home;
use crate::sched::nodes::Place;
use crate::sched::rings::Ring;
use crate::sched::scheduler::Scheduler;
use crate::sched::worker::Worker;
use crate::sys::stderr::say;
use crossbeam_deque::{Injector, Steal, Stealer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::spin_loop;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A fiber in a queue. It belongs to the queue until it is taken out, and does not end before.
pub(crate) struct Roamer(NonNull<Slot>);

// SAFETY: whoever takes it out of a queue has the fiber for itself: the course has said "queued" once for it, and its spawner vouched that it
// may go on on another thread.
unsafe impl Send for Roamer {}

/// A worker's own.
pub(crate) struct Roaming {
    queue: crossbeam_deque::Worker<Roamer>,
    /// Fibers that wait on although they are to end, because somebody on this thread is being unwound.
    postponed: RefCell<Vec<FiberRef>>,
}

/// What the workers of a runtime share.
pub(crate) struct Roads {
    stealers: Box<[Stealer<Roamer>]>,
    /// Of each node: woken by threads.
    outside: Box<[Injector<Roamer>]>,
    /// Of each node: what its workers alone may run.
    bound: Box<[Injector<Roamer>]>,
    /// Whether every fiber that may leave has to.
    restless: bool,
}

/// What is left with a worker's home, for others to find.
pub(crate) struct Abroad {
    /// The runtime, to be told apart from others, and to be found.
    which: AtomicPtr<Scheduler>,
    scheduler: Mutex<Weak<Scheduler>>,
    /// Fibers that started here and may be anywhere.
    roamers: Mutex<HashMap<u64, FiberRef>>,
    /// Slots of those that have ended elsewhere.
    returned: Mutex<Vec<Returned>>,
    /// Fibers that came here from elsewhere, each time. Written by the worker alone.
    moved: AtomicU64,
}

struct Returned(FreeSlot);

// SAFETY: a free slot is nobody's until the worker of its slab takes it.
unsafe impl Send for Returned {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Roaming {
    pub(crate) fn new() -> Roaming {
        Roaming { queue: crossbeam_deque::Worker::new_fifo(), postponed: RefCell::default() }
    }
}

impl Roads {
    pub(crate) fn new(workers: &[&Roaming], nodes: usize, restless: bool) -> Roads {
        let injectors = || (0..nodes).map(|_| Injector::new()).collect();
        Roads {
            stealers: workers.iter().map(|roaming| roaming.queue.stealer()).collect(),
            outside: injectors(),
            bound: injectors(),
            restless,
        }
    }

    /// Whether any queue that all workers serve has a fiber.
    pub(in crate::sched) fn has_for_anybody(&self) -> bool {
        self.stealers.iter().any(|stealer| !stealer.is_empty())
            || self.outside.iter().any(|outside| !outside.is_empty())
    }

    /// Whether there is a fiber that only the workers of this node may run.
    pub(in crate::sched) fn has_bound(&self, node: usize) -> bool {
        !self.bound[node].is_empty()
    }

    pub(in crate::sched) fn is_empty(&self) -> bool {
        !self.has_for_anybody() && self.bound.iter().all(Injector::is_empty)
    }

    /// Queues a fiber for no worker in particular.
    fn publish(&self, scheduler: &Scheduler, roamer: Roamer, bound: Option<usize>, here: usize) {
        match bound {
            Some(node) => {
                self.bound[node].push(roamer);
                scheduler.wake_for(Place::Node(node), here);
            }
            None => {
                self.outside[here].push(roamer);
                scheduler.wake_for_fresh(here);
            }
        }
    }
}

impl Abroad {
    pub(in crate::sched) fn new() -> Abroad {
        Abroad {
            which: AtomicPtr::new(ptr::null_mut()),
            scheduler: Mutex::new(Weak::new()),
            roamers: Mutex::default(),
            returned: Mutex::default(),
            moved: AtomicU64::new(0),
        }
    }

    /// The worker moves in. It has all slots of the slab.
    pub(in crate::sched) fn open(&self, scheduler: &Arc<Scheduler>) {
        lock(&self.returned).clear();
        *lock(&self.scheduler) = Arc::downgrade(scheduler);
        self.which.store(Arc::as_ptr(scheduler).cast_mut(), Release);
    }

    /// Nobody lives here any more.
    pub(in crate::sched) fn retire(&self) {
        *lock(&self.scheduler) = Weak::new();
        self.moved.store(0, Relaxed);
    }

    /// How many came from elsewhere.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Relaxed)
    }

    /// Takes back the slots of fibers that have ended elsewhere.
    pub(in crate::sched) fn returned(&self, free: &mut Vec<FreeSlot>) {
        free.extend(lock(&self.returned).drain(..).map(|Returned(slot)| slot));
    }
}

/// Makes a fiber look at its condition again. From anywhere.
pub(crate) fn wake(fiber: &FiberRef) {
    match fiber.roam.course.wake() {
        Woken::Already => {}
        Woken::Adrift => {
            let roamer = ready(fiber);
            let home = fiber.home().expect("a fiber that waits has started");
            match Worker::current() {
                Some(worker) if ptr::eq(home.abroad.which.load(Acquire), Arc::as_ptr(&worker.scheduler)) => {
                    worker.offer(roamer);
                }
                _ => {
                    // The fiber has not ended, so its runtime has not; from the push on both may.
                    let scheduler = lock(&home.abroad.scheduler).upgrade().expect("the runtime of a live fiber is up");
                    let bound = fiber.roam.bound.get();
                    scheduler.roads.publish(&scheduler, roamer, bound, scheduler.nodes.here());
                }
            }
        }
        Woken::Anchored(home) => {
            // SAFETY: only `Worker::let_go_of` drops an anchor, at a home, which is never freed.
            let home: &'static Home = unsafe { &*home.cast::<Home>() };
            match Worker::current() {
                Some(worker) if ptr::eq(worker.home, home) => worker.take_over(fiber),
                _ => home.post(fiber.clone()),
            }
        }
    }
}

/// Whether a fiber that was suspended on this thread has to go on here.
///
/// While anybody on this thread is being unwound, it may be this one: nobody knows for certain, as the thread has one count for all.
fn is_tied(fiber: &Header) -> bool {
    fiber.own.is_tied() || std::thread::panicking()
}

/// Ends the process if a fiber is about to take something along that belongs to this thread, as far as that is known.
fn check(fiber: &Header) {
    if let Some(mark) = fiber.own.ties.mark() {
        is_unfaithful(fiber, mark);
    }
}

#[cold]
fn is_unfaithful(fiber: &Header, (what, site): Mark) -> ! {
    let who = Named { id: fiber.id, name: fiber.identity.name(), task: fiber.identity.task };
    say(format_args!(
        "fiber: {who} may change its thread, and was suspended while it has {what}, which must not, made at {site}: the promise of \
         `migratable` is broken\n"
    ));
    std::process::abort();
}

/// Notes that a fiber which was waiting is about to be queued. By whoever has it.
fn ready(fiber: &Header) -> Roamer {
    let slot = fiber.own.slot.get().expect("a fiber that waits has a slot");
    // SAFETY: slots are never unmapped.
    unsafe { slot.as_ref() }.set_ready();
    Roamer(slot)
}

impl Worker {
    /// Whether there is a migratable fiber to run.
    #[inline]
    pub(in crate::sched) fn has_roaming(&self) -> bool {
        !self.roaming.queue.is_empty() || (self.bound.is_some() && self.scheduler.roads.has_bound(self.node))
    }

    /// Runs the one that has been queued here for longest.
    #[inline]
    pub(in crate::sched) fn run_roaming(&self) -> bool {
        self.has_roaming() && self.run_next_roaming()
    }

    #[inline(never)]
    fn run_next_roaming(&self) -> bool {
        let own = self.roaming.queue.pop();
        let bound = || steal(|| self.scheduler.roads.bound[self.node].steal());
        match own.or_else(|| self.bound.as_ref().and_then(|_| bound())) {
            Some(Roamer(slot)) => {
                // SAFETY: slots are never unmapped.
                self.resume(unsafe { slot.as_ref() });
                true
            }
            None => false,
        }
    }

    /// Takes over what threads have woken on this node.
    #[inline]
    pub(in crate::sched) fn take_in_roaming(&self) -> bool {
        let outside = &self.scheduler.roads.outside[self.node];
        !outside.is_empty() && steal(|| outside.steal_batch(&self.roaming.queue)).is_some()
    }

    /// Takes fibers of a ring into the own queue.
    pub(in crate::sched) fn steal_roaming(&self, ring: &Ring) -> bool {
        let roads = &self.scheduler.roads;
        let first = self.choice.below(ring.workers.len());
        let (before, after) = ring.workers.split_at(first);
        let own = &self.roaming.queue;
        let from_worker = |&victim: &usize| steal(|| roads.stealers[victim].steal_batch_with_limit(own, ring.batch));
        let from_outside = |&node: &usize| steal(|| roads.outside[node].steal_batch_with_limit(own, ring.batch));
        after.iter().chain(before).any(|victim| from_worker(victim).is_some())
            || ring.nodes.iter().any(|node| from_outside(node).is_some())
    }

    /// Notes a fiber that starts here and may leave.
    pub(in crate::sched) fn enroll(&self, fiber: &FiberRef) {
        if fiber.roam.is_migratable() {
            lock(&self.home.abroad.roamers).insert(fiber.id, fiber.clone());
        }
    }

    /// A migratable fiber is about to run here.
    pub(in crate::sched) fn board(&self, slot: &Slot) {
        let fiber = slot.header();
        let roam = &fiber.roam;
        roam.course.run();
        if let Some(info) = fiber.own.info.get() {
            // SAFETY: information blocks are never unmapped.
            unsafe { info.as_ref() }.set_at(self.index);
        }
        if roam.last.replace(Some(self.index)).is_some_and(|last| last != self.index) {
            let moved = &self.home.abroad.moved;
            moved.store(moved.load(Relaxed) + 1, Relaxed);
        }
    }

    /// A migratable fiber has been suspended here.
    pub(in crate::sched) fn let_go_of(&self, slot: &Slot) {
        let fiber = slot.header();
        // SAFETY: the fiber that set it is suspended and so is the frame that the data points to. Until it is cast off, below, nobody else
        // can take it.
        let waits = self.after.take().is_none_or(|after| unsafe { (after.call)(after.data) });
        let is_tied = is_tied(fiber);
        if !is_tied {
            check(fiber);
        }
        if waits && slot.phase() == Phase::Waiting {
            let course = &fiber.roam.course;
            let is_left = if is_tied {
                course.drop_anchor(ptr::from_ref(self.home).cast_mut().cast())
            } else {
                course.cast_off()
            };
            if is_left {
                // It may be running elsewhere by now.
                return;
            }
        } else {
            fiber.roam.course.queue();
        }
        slot.set_ready();
        if is_tied {
            self.ready.push(slot);
        } else {
            self.offer(Roamer(NonNull::from(slot)));
        }
    }

    /// Queues a fiber that nothing ties to a worker.
    fn offer(&self, roamer: Roamer) {
        let scheduler = &self.scheduler;
        // SAFETY: slots are never unmapped, and the fiber is the caller's.
        let slot = unsafe { roamer.0.as_ref() };
        let bound = slot.header().roam.bound.get();
        if bound.is_some() {
            return scheduler.roads.publish(scheduler, roamer, bound, self.node);
        }
        if scheduler.roads.restless && scheduler.workers() > 1 {
            let next = (self.index + 1) % scheduler.workers();
            return scheduler.homes[next].post(FiberRef::clone(&slot.fiber()));
        }
        if self.current.get().is_null() && !self.has_runnable() {
            // The next one to run here, at once: nobody need come for it.
            return self.ready.push(slot);
        }
        self.roaming.queue.push(roamer);
        if scheduler.workers() > 1 {
            scheduler.wake_for_fresh(self.node);
        }
    }

    /// Queues a fiber that was sent here: nobody else has it.
    pub(in crate::sched) fn take_over(&self, fiber: &Header) {
        let roamer = ready(fiber);
        // What tied it to this worker may be over by now. One that was sent here from elsewhere runs here.
        if fiber.roam.last.get() == Some(self.index) && !is_tied(fiber) {
            check(fiber);
            return self.offer(roamer);
        }
        // SAFETY: slots are never unmapped.
        self.ready.push(unsafe { roamer.0.as_ref() });
    }

    /// Makes a fiber that is registered with this worker, or runs here, look at its condition again.
    pub(in crate::sched) fn wake_roaming(&self, slot: &Slot) {
        wake(&slot.fiber());
    }

    /// The running fiber waits on although it is to end, because somebody on this thread is being unwound.
    pub(in crate::sched) fn postpone_roaming(&self, current: Current<'_>) {
        if current.slot.roams() {
            self.roaming.postponed.borrow_mut().push(current.fiber());
        }
    }

    /// Wakes those for whom that is over, wherever they are.
    pub(in crate::sched) fn wake_postponed_roaming(&self) {
        let postponed = self.roaming.postponed.take();
        postponed.iter().for_each(wake);
    }

    /// Cancels the fibers that have started here, wherever they are: the runtime is shut down.
    pub(in crate::sched) fn cancel_roaming(&self) {
        let all: Vec<FiberRef> = lock(&self.home.abroad.roamers).values().cloned().collect();
        all.iter().for_each(|fiber| cancel::cancel(fiber, CancelReason::Shutdown));
    }

    /// Gives the stack of an ended fiber and its slot to where they are from, unless that is this worker, which gets them back.
    pub(in crate::sched) fn send_home(
        &self,
        fiber: &Header,
        stack: Stack,
        slot: FreeSlot,
    ) -> (Option<Stack>, Option<FreeSlot>) {
        if !fiber.roam.is_migratable() {
            return (Some(stack), Some(slot));
        }
        let home = fiber.home().expect("a fiber that has ended has started");
        lock(&home.abroad.roamers).remove(&fiber.id);
        if ptr::eq(home, self.home) {
            return (Some(stack), Some(slot));
        }
        lock(&home.abroad.returned).push(Returned(slot));
        let scheduler = &self.scheduler;
        let index = scheduler.homes.iter().position(|&other| ptr::eq(other, home)).expect("it is of this runtime");
        let (from, own) = (&scheduler.stacks[index], &scheduler.stacks[self.index]);
        if Arc::ptr_eq(from, own) {
            // Of this node: one of the same pool.
            return (Some(stack), None);
        }
        from.take_back(stack);
        (None, None)
    }
}

/// What comes of a try that is not in vain because of another thief.
fn steal<T>(mut attempt: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match attempt() {
            Steal::Success(taken) => return Some(taken),
            Steal::Empty => return None,
            Steal::Retry => spin_loop(),
        }
    }
}
