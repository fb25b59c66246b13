//! One worker: a thread that runs fibers until its runtime ends.
//!
//! Everything here belongs to the worker's own thread. What other threads may see of it is in its [`Home`].

use super::cancel;
use super::choice::Choice;
use super::clock;
use super::current::Current;
use super::home::Home;
use super::lasting::{self, Surfeit};
use super::lookout::{self, Table};
use super::monitor;
use super::nodes::Place;
use super::points::Points;
use super::ready::ReadyQueue;
use super::scheduler::{Scheduler, Stage, publish, reserve_ids, withdraw};
use super::timers::Timers;
use crate::Numa;
use crate::driver::{Completion, Driver};
use crate::fiber::context::Context;
use crate::fiber::nested;
use crate::fiber::overflow::Report;
use crate::fiber::record::{FiberRef, Handle, Header, Identity};
use crate::fiber::slot::{self, FreeSlot, Phase, Slot};
use crate::fiber::stack::{SizeClass, Stack, StackCache, StackError, watermark};
use crate::fiber::unwind::{CancelReason, NotStarted, Raised, Target};
use crate::sys::prefetch::{CACHE_LINE, prefetch};
use crate::sys::stderr::say;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Fibers resumed, or fresh ones started, before the worker looks at everything else. It shrinks while turns take long.
const TURN: u32 = 256;
const SHORTEST_TURN: u32 = 16;
/// A turn that took longer than this makes the next one shorter.
const LONG_TURN_NS: u64 = 1_000_000;
/// Fresh fibers started in a turn.
const FRESH: u32 = 64;
/// Every so many fresh fibers the oldest is taken instead of the newest, so that none waits for ever.
const OLDEST_EVERY: u32 = 16;
/// Every so many turns the injector is looked at although there is other work.
const INJECTOR_EVERY: u32 = 61;
/// Operations that complete inline before the fiber yields.
pub(super) const OPERATIONS: u32 = 128;

/// A worker.
pub(crate) struct Worker {
    pub(super) index: usize,
    /// The place of its node among the runtime's.
    pub(super) node: usize,
    pub(super) home: &'static Home,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) ready: ReadyQueue,
    /// The running fiber; null in between.
    pub(super) current: Cell<*const Slot>,
    /// What the fiber that just suspended wants done on the scheduler's stack.
    pub(super) after: Cell<Option<After>>,
    /// Operations that the running fiber may still complete inline.
    pub(super) allowance: Cell<u32>,
    /// Fibers of this worker that are suspended in the middle of an unwinding.
    pub(super) unwinding: Cell<usize>,
    pub(super) fresh: crossbeam_deque::Worker<FiberRef>,
    /// Fresh fibers that only workers of this node may start; none where there is one node.
    pub(super) bound: Option<crossbeam_deque::Worker<FiberRef>>,
    /// Fresh fibers that only this worker may start.
    pub(super) fresh_local: RefCell<VecDeque<FiberRef>>,
    pub(super) fresh_taken: Cell<u32>,
    free: RefCell<Vec<FreeSlot>>,
    stacks: RefCell<StackCache>,
    default_class: SizeClass,
    pub(super) timers: RefCell<Timers<Alarm>>,
    pub(super) driver: RefCell<Driver>,
    pub(super) lookouts: RefCell<Table>,
    pub(super) choice: Choice,
    ids: Cell<(u64, u64)>,
    limits: Cell<(u64, u64)>,
    turn_length: Cell<u32>,
    /// The clock as of this turn.
    pub(super) now: Cell<u64>,
    pub(super) seen_stage: Cell<Stage>,
    pub(super) searching: Cell<bool>,
    /// Searches in a row that came back empty.
    pub(super) misses: Cell<u32>,
    /// Whether a fiber waits on although it is to end, because somebody on this thread is being unwound.
    pub(super) postponed: Cell<bool>,
    /// Whether a fiber of this worker was ever unwound by cancellation.
    pub(super) has_raised: Cell<bool>,
    /// Fibers that wait for a thread which does something for them.
    pub(super) served: Cell<usize>,
    /// How many `no_suspend` sections of the running fiber are open. Of no other fiber: they do not suspend.
    pub(super) no_suspend: Cell<u32>,
    pub(super) points: Points,
    pub(super) surfeit: Surfeit,
}

/// Runs on the scheduler's stack after a fiber has switched away; says whether it stays suspended.
#[derive(Clone, Copy)]
pub(super) struct After {
    pub(super) call: unsafe fn(*mut ()) -> bool,
    pub(super) data: *mut (),
}

/// What a timer does.
#[derive(Clone, Copy)]
pub(crate) enum Alarm {
    /// Raises a flag on a waiting fiber's stack and wakes the fiber.
    Fiber { flag: *const Cell<bool>, slot: NonNull<Slot> },
    /// Ends the lookout at this place.
    Lookout(u32),
}

/// An operation that a fiber waits for, on the fiber's stack; its address is the driver's token. Those of lookouts have odd tokens.
pub(super) struct Pending {
    pub(super) result: Cell<Option<i32>>,
    pub(super) slot: *const Slot,
}

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

impl Worker {
    /// A worker on the calling thread, which it will keep until [`run`](Self::run) returns.
    pub(crate) fn new(
        index: usize,
        scheduler: Arc<Scheduler>,
        fresh: crossbeam_deque::Worker<FiberRef>,
        bound: Option<crossbeam_deque::Worker<FiberRef>>,
        driver: Driver,
    ) -> Result<Worker, StackError> {
        let home = scheduler.homes[index];
        let _ = scheduler.driver.set((driver.kind(), driver.name()));
        home.open(driver.doorbell());
        let mut free = Vec::new();
        home.slots.all(&mut free);
        let now = clock::now();
        Ok(Worker {
            index,
            node: scheduler.nodes.plan.node_of[index],
            home,
            ready: ReadyQueue::new(),
            current: Cell::new(ptr::null()),
            after: Cell::new(None),
            allowance: Cell::new(0),
            unwinding: Cell::new(0),
            fresh,
            bound,
            fresh_local: RefCell::default(),
            fresh_taken: Cell::new(0),
            free: RefCell::new(free),
            stacks: RefCell::new(StackCache::new(scheduler.stacks[index].clone())),
            default_class: SizeClass::for_size(scheduler.settings.stack_size)?,
            timers: RefCell::new(Timers::new(now)),
            driver: RefCell::new(driver),
            lookouts: RefCell::default(),
            choice: Choice::seeded(index as u64 + 1),
            ids: Cell::new((0, 0)),
            limits: Cell::new((0, 0)),
            turn_length: Cell::new(TURN),
            now: Cell::new(now),
            seen_stage: Cell::new(Stage::Running),
            searching: Cell::new(false),
            misses: Cell::new(0),
            postponed: Cell::new(false),
            has_raised: Cell::new(false),
            served: Cell::new(0),
            no_suspend: Cell::new(0),
            points: Points::new(),

            surfeit: Surfeit::default(),
            scheduler,
        })
    }

    /// The worker whose thread this is. The reference is good as long as the caller stays on this thread and below the
    /// worker's loop: callers use it and let it go.
    #[inline(always)]
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        // SAFETY: `run` sets the pointer for as long as it borrows the worker, on this thread only.
        unsafe { CURRENT.get().as_ref() }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    #[inline(always)]
    pub(crate) fn home(&self) -> &'static Home {
        self.home
    }

    /// Runs fibers until the runtime has ended.
    pub(crate) fn run(&self) {
        /// An unwinding out of the scheduler itself would tear stacks away under live fibers.
        struct AbortOnUnwind;
        impl Drop for AbortOnUnwind {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    say(format_args!("fiber: the scheduler panicked; this is a bug in the runtime\n"));
                    std::process::abort();
                }
                CURRENT.set(ptr::null());
            }
        }
        CURRENT.set(self);
        let _guard = AbortOnUnwind;
        while self.seen_stage.get() != Stage::Ended {
            if self.has_runnable() {
                self.misses.set(0);
                self.stop_searching();
                self.run_ready();
                self.start_fresh();
            }
            self.attend();
            if !self.has_runnable() {
                self.find_work();
            }
        }
        self.wait_for_lasting();
        self.home.close();
        self.end_lookouts();
    }

    pub(super) fn has_runnable(&self) -> bool {
        !self.ready.is_empty()
            || !self.fresh.is_empty()
            || !self.fresh_local.borrow().is_empty()
            || self.bound.as_ref().is_some_and(|bound| !bound.is_empty())
    }

    /// Resumes ready fibers, at most a turn's worth.
    fn run_ready(&self) {
        self.home.progress.begin_batch(self.turn_length.get());
        while self.home.progress.has_next_of_batch()
            && let Some(slot) = self.ready.pop()
        {
            self.prefetch_next();
            // SAFETY: slots are never unmapped.
            self.resume(unsafe { slot.as_ref() });
        }
    }

    /// Asks for the cache lines that the next resumptions will wait for: the slot of the third fiber from here, and the part of
    /// the next one's stack on which it was suspended. Over 1000 fibers that takes a yield from 1.3 times a bare loop's to 1.1.
    #[inline(always)]
    fn prefetch_next(&self) {
        if let Some(slot) = self.ready.peek(2) {
            prefetch(slot.as_ptr().addr());
        }
        if let Some(slot) = self.ready.peek(0) {
            // SAFETY: slots are never unmapped.
            let top = unsafe { slot.as_ref() }.suspended_at();
            prefetch(top);
            prefetch(top.wrapping_sub(CACHE_LINE));
        }
    }

    /// Runs a fiber until it suspends or ends.
    #[inline(always)]
    fn resume(&self, slot: &Slot) {
        self.points.pass(Current { worker: self, slot });
        self.current.set(slot);
        self.allowance.set(OPERATIONS);
        slot.set_phase(Phase::Running);
        self.home.progress.resume(slot);
        // SAFETY: the slot is taken (it was in the ready queue, or was just filled), by this worker, and this is its loop, so no
        // fiber is running.
        let ended = unsafe { slot.resume() };
        self.current.set(ptr::null());
        if ended {
            self.finish(slot);
            return;
        }
        if let Some(after) = self.after.take() {
            // SAFETY: the fiber that set it is suspended and so is the frame that the data points to.
            if !unsafe { (after.call)(after.data) } {
                self.wake(slot);
            }
        }
        self.points.pass(Current { worker: self, slot });
    }

    /// Starts fresh fibers: the newest first, because a tree of spawns then needs few live stacks; now and then the oldest.
    fn start_fresh(&self) {
        self.home.progress.begin_batch(FRESH);
        while self.home.progress.has_next_of_batch()
            && let Some(fiber) = self.next_fresh()
        {
            self.start(fiber);
        }
    }

    fn next_fresh(&self) -> Option<FiberRef> {
        let taken = self.fresh_taken.get().wrapping_add(1);
        self.fresh_taken.set(taken);
        // Also while there are local ones, which go first otherwise and could spawn each other for ever.
        if taken.is_multiple_of(OLDEST_EVERY) {
            // Of the two stealable queues in turn.
            let bound = self.scheduler.bound.get(self.index).filter(|_| taken.is_multiple_of(2 * OLDEST_EVERY));
            if let Some(fiber) = bound.unwrap_or(&self.scheduler.stealers[self.index]).steal().success() {
                return Some(fiber);
            }
        }
        if let Some(fiber) = self.fresh_local.borrow_mut().pop_front() {
            return Some(fiber);
        }
        match &self.bound {
            None => self.fresh.pop(),
            Some(bound) if taken.is_multiple_of(2) => bound.pop().or_else(|| self.fresh.pop()),
            Some(bound) => self.fresh.pop().or_else(|| bound.pop()),
        }
    }

    /// Looks at everything but the ready and fresh queues: the driver, the clock, the timers, the inbox, the injector, and
    /// whether the runtime ends.
    pub(super) fn attend(&self) {
        let mut served = 0;
        {
            let mut driver = self.driver.borrow_mut();
            // A worker with nothing to run is about to park, and that submits and waits in one system call.
            if self.has_runnable() || driver.has_completions() {
                driver.turn(&mut |completion| {
                    served += 1;
                    self.complete(completion);
                });
            }
        }
        self.end_surfeit();
        let held = self.read_clock();
        served += self.fire_timers();
        if held {
            self.home.progress.count_late(served);
        }
        self.home.inbox().drain(|fiber| {
            // A wake is posted to the home that a fiber has since it was started.
            if fiber.summons.home().is_null() {
                self.fresh_local.borrow_mut().push_back(fiber);
            } else {
                self.look_at(&fiber);
            }
        });
        self.attend_lookouts();
        let turn = self.home.progress.end_turn();
        if turn.is_multiple_of(INJECTOR_EVERY)
            && let Some(fiber) = self.scheduler.nodes.pop(self.node, turn.is_multiple_of(2))
        {
            self.stop_searching();
            self.start(fiber);
        }
        self.follow_stage();
        self.deliver_postponed();
    }

    /// Wakes the fibers whose cancellation had to wait for the end of an unwinding.
    fn deliver_postponed(&self) {
        if self.postponed.get() && !std::thread::panicking() {
            self.postponed.set(false);
            self.home.slots.for_each_taken(|slot| {
                let header = slot.header();
                if header.summons.is_marked() || !header.own.has_no_limits() {
                    self.wake(slot);
                }
            });
        }
    }

    /// Reads the clock. Whether the turn that ends has taken so long that a fiber has held the worker beyond the limit.
    fn read_clock(&self) -> bool {
        let now = clock::now();
        let took = now - self.now.get();
        self.set_clock(now);
        let length = self.turn_length.get();
        if took > LONG_TURN_NS {
            self.turn_length.set((length / 2).max(SHORTEST_TURN));
            self.scheduler.settings.held_limit.is_some_and(|limit| took > clock::nanoseconds(limit))
        } else {
            self.turn_length.set((length * 2).min(TURN));
            false
        }
    }

    pub(super) fn set_clock(&self, now: u64) {
        self.now.set(now);
        self.home.coarse_now.store(clock::coarse(now), Relaxed);
    }

    /// Fires the timers that are due; how many.
    fn fire_timers(&self) -> u64 {
        let mut timers = self.timers.borrow_mut();
        let mut fired = 0;
        if !timers.is_empty() {
            timers.expire(self.now.get(), |alarm| {
                fired += 1;
                match alarm {
                    // SAFETY: an alarm that has not been cancelled points into the frame of a wait that is going on, on a fiber of
                    // this worker; `Timer`'s destructor cancels it before that frame goes.
                    Alarm::Fiber { flag, slot } => unsafe {
                        (*flag).set(true);
                        self.wake(slot.as_ref());
                    },
                    Alarm::Lookout(place) => self.lookouts.borrow_mut().happened(place, 0),
                }
            });
        }
        fired
    }

    #[inline]
    pub(super) fn complete(&self, completion: Completion) {
        if let Some(place) = lookout::place(completion.token) {
            return self.lookouts.borrow_mut().happened(place, completion.result);
        }
        if completion.token.get() & lasting::MARK != 0 {
            return self.complete_lasting(completion);
        }
        let pending = ptr::with_exposed_provenance::<Pending>(completion.token.get() as usize);
        // SAFETY: the token is the address of a `Pending` in the frame of `io::wait`, which does not return before the
        // completion was handed out, here.
        unsafe {
            (*pending).result.set(Some(completion.result));
            self.wake(&*(*pending).slot);
        }
    }

    /// Makes a fiber of this worker look at its condition again.
    #[inline]
    pub(crate) fn look_at(&self, fiber: &Header) {
        if let Some(slot) = fiber.own.slot.get() {
            // SAFETY: slots are never unmapped, and this one is the fiber's: it has not ended.
            self.wake(unsafe { slot.as_ref() });
        }
    }

    /// Puts a waiting fiber of this worker into the ready queue. One that does not wait will look anyway.
    #[inline(always)]
    pub(super) fn wake(&self, slot: &Slot) {
        if slot.phase() == Phase::Waiting {
            slot.set_phase(Phase::Ready);
            self.ready.push(slot);
        }
    }

    fn follow_stage(&self) {
        let stage = self.scheduler.stage();
        if stage == self.seen_stage.get() {
            return;
        }
        if self.seen_stage.replace(stage) == Stage::Running {
            self.home.slots.for_each_taken(|slot| {
                cancel::mark(slot.header(), CancelReason::Shutdown);
                self.wake(slot);
            });
        }
    }

    /// Spawns a fiber into this worker's stealable queue, or wherever its property says.
    #[inline]
    pub(crate) fn spawn<F: FnOnce() -> T, T>(&self, f: F, identity: Identity, numa: Option<Numa>) -> Handle<T> {
        let (fiber, handle) = self.record(f, identity);
        if matches!(numa.unwrap_or(self.scheduler.settings.numa), Numa::Any) {
            self.fresh.push(fiber);
            if self.scheduler.workers() > 1 {
                self.scheduler.wake_for_fresh(self.node);
            }
        } else {
            self.send(fiber, numa);
        }
        handle
    }

    /// Puts a fresh fiber where its property says.
    fn send(&self, fiber: FiberRef, numa: Option<Numa>) {
        let place = self.scheduler.place(&fiber, numa, self.node);
        match (place, &self.bound) {
            (Place::Node(node), Some(bound)) if node == self.node => bound.push(fiber),
            (Place::Node(_), _) => {
                if let Err(fiber) = self.scheduler.nodes.injector(place, self.node).pass(fiber) {
                    // Not before the last fiber has ended, and a fiber spawns this one.
                    withdraw(&fiber);
                    self.home.count_ended();
                    return;
                }
            }
            (Place::Anywhere, _) => self.fresh.push(fiber),
        }
        if self.scheduler.workers() > 1 {
            self.scheduler.wake_for(place, self.node);
        }
    }

    /// Spawns a fiber that this worker alone may start.
    pub(crate) fn spawn_local<F: FnOnce() -> T, T>(&self, f: F, identity: Identity) -> Handle<T> {
        let (fiber, handle) = self.record(f, identity);
        self.fresh_local.borrow_mut().push_back(fiber);
        handle
    }

    /// Spawns a fiber that one worker of this runtime, the one with this index, alone may start.
    ///
    /// Called on a fiber of this worker. As long as that lives, no worker closes its inbox.
    pub(crate) fn spawn_on<F: FnOnce() -> T, T>(&self, index: usize, f: F, identity: Identity) -> Handle<T> {
        if index == self.index {
            return self.spawn_local(f, identity);
        }
        let (fiber, handle) = self.record(f, identity);
        self.scheduler.homes[index].post(fiber);
        handle
    }

    fn record<F: FnOnce() -> T, T>(&self, f: F, identity: Identity) -> (FiberRef, Handle<T>) {
        let id = next_number(&self.ids);
        self.home.count_spawned();
        if let Some(task) = identity.task {
            task.counters().spawned(self.index);
        }
        FiberRef::spawn(f, id, identity)
    }

    /// A number for a time limit.
    pub(super) fn next_limit(&self) -> u64 {
        next_number(&self.limits)
    }

    /// Gives a fresh fiber a stack and runs it.
    pub(super) fn start(&self, fiber: FiberRef) {
        let stack = match self.take_stack(&fiber) {
            Ok(stack) => stack,
            Err(error) => {
                // What the closure owns is dropped on a fiber all the same: destructors may wait.
                match self.stacks.borrow_mut().take(self.default_class) {
                    Ok(stack) => {
                        fiber.own.refused.set(Some(Box::new(NotStarted(error.to_string()))));
                        stack
                    }
                    Err(_) => return self.refuse(&fiber, &error),
                }
            }
        };
        let (slot, info) = self.take_slot();
        let own = &fiber.own;
        own.slot.set(Some(slot));
        own.info.set(Some(info));
        own.stack.set(Some(stack.bounds()));
        if self.seen_stage.get() != Stage::Running {
            cancel::mark(&fiber, CancelReason::Shutdown);
        }
        fiber.summons.settle(ptr::from_ref(self.home).cast_mut().cast());
        if let Some(name) = fiber.identity.shared_name() {
            self.names().insert(fiber.id, name.clone());
        }
        if let Some(task) = fiber.identity.task {
            task.counters().started(self.index);
        }
        let slice = fiber.identity.timeslice().map_or(0, monitor::keep_slice);
        // SAFETY: as in `finish`.
        unsafe { info.as_ref() }.publish(fiber.id, &fiber.identity, slice);
        let context = Context::new(stack, slot.as_ptr(), fiber_main);
        // SAFETY: the slot is from this worker's slab and free.
        let slot = unsafe { slot::occupy(slot, fiber, context) };
        self.resume(slot);
    }

    fn take_stack(&self, fiber: &Header) -> Result<Stack, StackError> {
        let class = match fiber.identity.stack_size() {
            None => self.default_class,
            Some(size) => SizeClass::for_size(size)?,
        };
        let mut stack = self.stacks.borrow_mut().take(class)?;
        if self.scheduler.settings.measure_stacks {
            // A stack that cannot be emptied shows the mark of whoever was deeper before, which errs on the safe side.
            let _ = watermark::reset(&mut stack);
        }
        Ok(stack)
    }

    /// A stack for a coroutine, to be given back on this worker.
    #[inline]
    pub(crate) fn lend_stack(&self, class: SizeClass) -> Result<Stack, StackError> {
        self.stacks.borrow_mut().take(class)
    }

    /// Takes a stack back that this worker lent.
    #[inline]
    pub(crate) fn take_back(&self, stack: Stack) {
        self.stacks.borrow_mut().give(stack);
    }

    fn take_slot(&self) -> FreeSlot {
        let mut free = self.free.borrow_mut();
        loop {
            if let Some(slot) = free.pop() {
                return slot;
            }
            self.home.slots.grow(&mut free);
        }
    }

    /// Ends a fiber for which there is no stack of any size.
    #[cold]
    fn refuse(&self, fiber: &FiberRef, error: &StackError) {
        if let Some(task) = fiber.identity.task {
            task.counters().withdrawn(self.index);
        }
        // SAFETY: the fiber was taken from its queue and has not been run.
        unsafe { fiber.refuse(Box::new(NotStarted(error.to_string()))) };
        publish(fiber);
        self.home.count_ended();
    }

    /// Takes back what an ended fiber had.
    fn finish(&self, slot: &Slot) {
        let bounds = slot.header().own.stack.take().expect("a started fiber has a stack");
        // SAFETY: the fiber has ended, the slot is this worker's, and `start` noted the bounds.
        let (stack, fiber) = unsafe { slot::release(slot, bounds) };
        if self.scheduler.settings.measure_stacks
            && let Some(task) = fiber.identity.task
        {
            task.saw_stack_use(watermark::high_water(&stack));
        }
        self.stacks.borrow_mut().give(stack);
        if fiber.identity.shared_name().is_some() {
            self.names().remove(&fiber.id);
        }
        let info = fiber.own.info.take().expect("a started fiber has its information");
        fiber.own.slot.set(None);
        // SAFETY: information blocks are never unmapped.
        unsafe { info.as_ref() }.clear();
        self.free.borrow_mut().push((NonNull::from(slot), info));
        self.home.count_ended();
    }

    fn names(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<u64, Arc<str>>> {
        self.home.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives memory of stacks back; when it wants to be asked again.
    pub(super) fn trim_stacks(&self) -> Option<u64> {
        self.stacks.borrow_mut().trim(self.now.get())
    }

    /// The running fiber's slot.
    #[inline(always)]
    pub(super) fn current_slot<'a>(&self) -> Option<&'a Slot> {
        // SAFETY: slots are never unmapped.
        unsafe { self.current.get().as_ref() }
    }
}

/// The next number of a worker's block, or the first of a new one. Fibers and limits draw on the same numbers.
#[inline]
fn next_number(block: &Cell<(u64, u64)>) -> u64 {
    const BLOCK: u64 = 1024;
    let (mut next, mut end) = block.get();
    if next == end {
        next = reserve_ids(BLOCK);
        end = next + BLOCK;
    }
    block.set((next + 1, end));
    next
}

/// Which fiber overflowed its stack, if one did: asked by the signal handler, so it only reads.
pub(crate) fn overflowing_fiber(fault: usize, report: &mut Report) -> bool {
    let Some(slot) = Worker::current().and_then(Worker::current_slot) else {
        return nested::overflowing_on_thread(fault, report);
    };
    let header = slot.header();
    let coroutine = nested::overflowed(header.own.innermost.get(), fault);
    let fiber = || header.own.stack.get().filter(|bounds| bounds.guard().contains(&fault));
    let Some(bounds) = coroutine.or_else(fiber) else {
        return false;
    };
    report.id = header.id;
    report.coroutine = coroutine.is_some();
    report.stack_size = bounds.size();
    if let Some(name) = header.identity.name() {
        report.name.push_str(name);
    }
    if let Some(task) = header.identity.task {
        report.task = Some(task.path());
        report.location = Some((task.file(), task.line()));
    }
    true
}

/// The first function on every fiber's stack.
fn fiber_main(slot: &Slot) {
    let fiber = slot.fiber();
    let panicked = fiber.own.spans.during(|| run_to_its_end(&fiber));
    if let Some(task) = fiber.identity.task {
        let worker = Worker::current().expect("a fiber runs on a worker");
        task.counters().finished(worker.index, panicked);
    }
    publish(&fiber);
}

/// All that a fiber does before its result is published. Whether it panicked.
fn run_to_its_end(fiber: &FiberRef) -> bool {
    let panicked = if let Some(why) = fiber.own.refused.take() {
        // SAFETY: this is the fiber's own stack and the closure has not been run.
        unsafe { fiber.refuse(why) };
        false
    } else if let Some(reason) = fiber.summons.reason() {
        // SAFETY: this is the fiber's own stack and the closure has not been run.
        unsafe { fiber.refuse(Box::new(Raised { target: Target::Fiber, reason })) };
        false
    } else {
        // SAFETY: as above.
        unsafe { fiber.run() }
    };
    if let Some(locals) = fiber.own.locals.get() {
        locals.clear();
    }
    panicked
}
