//! One worker: a thread that runs fibers until its runtime ends.
//!
//! Everything here belongs to the worker's own thread. What other threads may see of it is in its [`Home`].
//!
//! # What it promises
//!
//! Let `R` be the number of fibers in the ready queue when another enters it. That one is resumed after at most
//! `R + F * (R / B + 1)` other resumptions on this worker, where `B` is the length of a turn ([`SHORTEST_TURN`] to [`TURN`]) and `F` is
//! [`FRESH`] and one of an injector:
//!
//! - The queue is first in, first out, and a fiber is in it at most once ([`Worker::wake`] asks for its phase), so each of the `R` is resumed once.
//! - Between two batches of `B` the worker starts at most `F` fibers. Everything else that it does there makes fibers ready and
//!   resumes none ([`Worker::attend`]): they enter behind.
//! - A fiber that is given to another worker counts as one of the batch of fresh ones.
//!
//! Timers, completions, the inbox: looked at once in each turn, all of what is there. Fresh fibers: every [`OLDEST_EVERY`]th that is started is the
//! oldest; local ones in order, in between. The injector: every [`INJECTOR_EVERY`] turns, or at once when there is nothing else. Tested, in
//! resumptions, by `tests/turns.rs`; the guide's chapter "How fibers are scheduled" says the same to users.

mod attend;
mod earliest;
mod handoff;
mod placement;
mod spawn;
mod start;

use self::earliest::Aging;
use super::choice::Choice;
use super::clock;
use super::current::Current;
use super::delayed::Delayed;
use super::fresh::FreshQueue;
use super::home::Home;
use super::lasting::Surfeit;
use super::lookout::Table;
use super::pace::Pace;
use super::points::Points;
use super::priority::Lines;
use super::ready::ReadyQueue;
use super::roaming::Roaming;
use super::scheduler::{Scheduler, Stage};
use super::timer::Flag;
use super::timers::Timers;
use crate::driver::Driver;
use crate::fiber::nested::{self, Section};
use crate::fiber::overflow::Report;
use crate::fiber::record::FiberRef;
use crate::fiber::slot::{FreeSlot, Phase, Slot};
use crate::fiber::stack::{SizeClass, StackCache, StackError};
use crate::sys::prefetch::{CACHE_LINE, prefetch};
use crate::sys::stderr::say;
use placement::{Bounds, Placement};
use start::{Left, Seat};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Fibers resumed, or fresh ones started, before the worker looks at everything else. It shrinks while turns take long.
const TURN: u32 = 256;
const SHORTEST_TURN: u32 = 16;
/// A turn that took longer than this makes the next one shorter.
const LONG_TURN_NS: u64 = 1_000_000;
/// Fresh fibers started in a turn.
const FRESH: u32 = 64;
/// Every so many fresh fibers the oldest is taken instead of the newest, so that none waits for ever. Once in a turn full of them: in a tree
/// of spawns the oldest is the largest branch, and while it is open the others hold their stacks. Every 16th, a tree of 1,111,111 had 15,000 alive
/// at once and took 300 ms; every 64th, 4,000 and 203 ms.
const OLDEST_EVERY: u32 = 64;
/// Every so many turns the injector is looked at although there is other work.
const INJECTOR_EVERY: u32 = 61;
/// So many resumptions before one the worker asks for its slot, and then for its stack.
const SLOTS_AHEAD: usize = 8;
const STACKS_AHEAD: usize = 4;
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
    /// What is ready and not of the ordinary priority.
    pub(super) lines: Lines,
    aging: Aging,
    /// The running fiber; null in between.
    pub(super) current: Cell<*const Slot>,
    /// Whether a fiber that suspends may switch to the next one by itself.
    hands_over: Cell<bool>,
    /// What the fiber that just ended had, if it has left its record.
    left: Cell<Option<Left>>,
    /// What the fiber that just suspended, and may move, wants done on the scheduler's stack.
    pub(super) after: Cell<Option<After>>,
    /// Operations that the running fiber may still complete inline.
    pub(super) allowance: Cell<u32>,
    /// Fibers of this worker that are suspended in the middle of an unwinding.
    pub(super) unwinding: Cell<usize>,
    pub(super) fresh: FreshQueue,
    /// Fresh fibers that only workers of this node may start; none where there is one node.
    pub(super) bound: Option<crossbeam_deque::Worker<FiberRef>>,
    /// Fresh fibers that only this worker may start.
    pub(super) fresh_local: RefCell<VecDeque<FiberRef>>,
    pub(super) fresh_taken: Cell<u32>,
    free: RefCell<Vec<FreeSlot>>,
    /// What the last fiber left, for the next one.
    seat: Cell<Option<Seat>>,
    stacks: RefCell<StackCache>,
    default_class: SizeClass,
    pub(super) timers: RefCell<Timers<Alarm>>,
    pub(super) pace: Cell<Pace>,
    pub(super) driver: RefCell<Driver>,
    pub(super) lookouts: RefCell<Table>,
    pub(super) delayed: RefCell<Delayed>,
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
    /// The innermost `no_suspend` section of the running fiber. Of no other fiber: they do not suspend.
    pub(super) no_suspend: Cell<Section>,
    pub(super) points: Points,
    /// Whether the latest sleep was a rest that nothing ended but its time.
    pub(super) rested: Cell<bool>,
    /// How often in a row it was asked whether anything will ever happen.
    pub(super) asked: Cell<u32>,
    pub(super) surfeit: Surfeit,
    placement: Placement,
    #[cfg_attr(not(feature = "migrate"), expect(dead_code, reason = "has nothing to do then"))]
    pub(super) roaming: Roaming,
}

/// Runs on the scheduler's stack after a fiber that may move has switched away; says whether it stays suspended.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "migrate"), expect(dead_code, reason = "no fiber may move then"))]
pub(super) struct After {
    pub(super) call: unsafe fn(*mut ()) -> bool,
    pub(super) data: *mut (),
}

/// What a timer does.
#[derive(Clone, Copy)]
pub(crate) enum Alarm {
    /// Raises a flag on a waiting fiber's stack and wakes the fiber.
    Fiber { flag: *const Flag, slot: NonNull<Slot> },
    /// Ends the lookout at this place.
    Lookout(u32),
    /// Lets the fiber start that is kept at this place.
    Start(u32),
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
        roaming: Roaming,
        driver: Driver,
    ) -> Result<Worker, StackError> {
        let home = scheduler.homes[index];
        let _ = scheduler.driver.set((driver.kind(), driver.name()));
        home.open(driver.doorbell());
        home.abroad.open(&scheduler);
        let mut free = Vec::new();
        home.slots.all(&mut free);
        let now = clock::now();
        let placement = Placement::new(free.len(), now);
        Ok(Worker {
            index,
            node: scheduler.nodes.plan.node_of[index],
            home,
            ready: ReadyQueue::new(),
            lines: Lines::default(),
            aging: Aging::default(),
            current: Cell::new(ptr::null()),
            hands_over: Cell::new(false),
            left: Cell::new(None),
            after: Cell::new(None),
            allowance: Cell::new(0),
            unwinding: Cell::new(0),
            fresh: FreshQueue::new(fresh, home, scheduler.workers() == 1),
            bound,
            fresh_local: RefCell::default(),
            fresh_taken: Cell::new(0),
            free: RefCell::new(free),
            seat: Cell::new(None),
            stacks: RefCell::new(StackCache::new(scheduler.stacks[index].clone())),
            default_class: SizeClass::for_size(scheduler.settings.stack_size)?,
            timers: RefCell::new(Timers::new(now)),
            pace: Cell::default(),
            driver: RefCell::new(driver),
            lookouts: RefCell::default(),
            delayed: RefCell::default(),
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
            no_suspend: Cell::new(None),
            points: Points::new(),
            rested: Cell::new(false),
            asked: Cell::new(0),
            surfeit: Surfeit::default(),
            placement,
            roaming,
            scheduler,
        })
    }

    /// The worker whose thread this is. The reference is good as long as the caller stays on this thread and below the
    /// worker's loop: callers use it and let it go.
    ///
    /// With the feature `migrate` it is out of line, and no compiler may take two calls to give the same: a fiber may have changed threads
    /// in between.
    #[cfg_attr(not(feature = "migrate"), inline(always))]
    #[cfg_attr(feature = "migrate", inline(never))]
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        #[cfg(feature = "migrate")]
        crate::sys::opaque::has_effects();
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
                if self.lines.is_mixed() && self.is_patient() {
                    self.steal();
                }
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
        self.clear_seat();
        self.home.close();
        self.end_lookouts();
    }

    /// Whether the driver has nothing in flight whose end it will wait for when it is dropped.
    pub(crate) fn is_done(&self) -> bool {
        self.driver.borrow().in_flight() == 0
    }

    pub(super) fn has_runnable(&self) -> bool {
        !self.ready.is_empty() || self.has_fresh() || self.lines.is_mixed() || self.has_roaming()
    }

    /// Whether there are normal fibers that only wait to be started by this worker, or by a thief.
    fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
            || !self.fresh_local.borrow().is_empty()
            || self.bound.as_ref().is_some_and(|bound| !bound.is_empty())
    }

    /// Resumes ready fibers, at most a turn's worth.
    fn run_ready(&self) {
        self.home.progress.begin_batch(self.turn_length.get());
        self.prefetch_first();
        self.hands_over.set(true);
        while self.home.progress.has_next_of_batch() {
            if self.lines.is_mixed() {
                if !self.run_earliest() {
                    break;
                }
                self.run_roaming();
                continue;
            }
            let Some(slot) = self.ready.pop() else { break };
            self.prefetch_later();
            // SAFETY: slots are never unmapped.
            self.resume(unsafe { slot.as_ref() });
            self.run_roaming();
        }
        while self.home.progress.has_next_of_batch() && self.run_roaming() {}
        self.hands_over.set(false);
    }

    /// Asks for the cache lines that later resumptions will wait for: a slot, and, once that is here, the part of the stack on which its fiber was
    /// suspended. So far ahead because of many fibers, of which each has a page of its own: what takes time is then the walk through the page
    /// tables, and several of them overlap. Measured, in alternation: a yield among 1000 fibers 20.4 ns before, 17.2 now, among 100,000 107 and 81.
    #[inline(always)]
    fn prefetch_later(&self) {
        if let Some(slot) = self.ready.peek(SLOTS_AHEAD) {
            prefetch(slot.as_ptr().addr());
        }
        if let Some(slot) = self.ready.peek(STACKS_AHEAD) {
            prefetch_stack(slot);
        }
    }

    /// The same for those that no other resumption will be early enough for.
    fn prefetch_first(&self) {
        (0..STACKS_AHEAD).map_while(|ahead| self.ready.peek(ahead)).for_each(prefetch_stack);
    }

    /// Runs a fiber until it, or another one that the worker was [handed over](handoff) to, comes back to the loop, suspended or at its end.
    /// Whether it was the first that has ended.
    #[inline(always)]
    pub(super) fn resume(&self, slot: &Slot) -> bool {
        let first = slot;
        self.points.pass(Current::of(self, slot));
        if slot.roams() {
            self.board(slot);
        }
        self.set_out(slot);
        // SAFETY: the slot is taken (it was in the ready queue, or was just filled), by this worker, and this is its loop, so no
        // fiber is running.
        let ended = unsafe { slot.resume() };
        // SAFETY: slots are never unmapped.
        let slot = unsafe { &*self.current.replace(ptr::null()) };
        if ended {
            self.finish(slot);
            return ptr::eq(slot, first);
        }
        if slot.roams() {
            self.points.pass(Current::of(self, slot));
            self.let_go_of(slot);
            return false;
        }
        self.points.pass(Current::of(self, slot));
        false
    }

    fn next_fresh(&self) -> Option<(FiberRef, Bounds)> {
        let taken = self.fresh_taken.get().wrapping_add(1);
        self.fresh_taken.set(taken);
        // Also while there are local ones, which go first otherwise and could spawn each other for ever.
        if taken.is_multiple_of(OLDEST_EVERY) {
            // Of the two stealable queues in turn.
            let bound = self.scheduler.bound.get(self.index).filter(|_| taken.is_multiple_of(2 * OLDEST_EVERY));
            let (oldest, bounds) = match bound {
                Some(bound) => (bound.steal().success(), Bounds::Node),
                None => (self.fresh.pop_oldest(), Bounds::None),
            };
            if let Some(fiber) = oldest {
                return Some((fiber, bounds));
            }
        }
        if let Some(fiber) = self.fresh_local.borrow_mut().pop_front() {
            return Some((fiber, Bounds::Worker));
        }
        let free = || Some((self.fresh.pop()?, Bounds::None));
        let Some(bound) = &self.bound else { return free() };
        let bound = || Some((bound.pop()?, Bounds::Node));
        if taken.is_multiple_of(2) { bound().or_else(free) } else { free().or_else(bound) }
    }

    /// The running fiber's slot.
    #[inline(always)]
    pub(super) fn current_slot<'a>(&self) -> Option<&'a Slot> {
        // SAFETY: slots are never unmapped.
        unsafe { self.current.get().as_ref() }
    }
}

/// Asks for where the stack ends of a fiber in the ready queue.
#[inline(always)]
fn prefetch_stack(slot: NonNull<Slot>) {
    // SAFETY: slots are never unmapped, and one in the queue is taken.
    let top = unsafe { slot.as_ref().suspended_at() };
    prefetch(top);
    prefetch(top.wrapping_add(CACHE_LINE));
}

/// Whether the calling thread runs the fiber of this resumption, on the fiber's own stack: neither between two stacks nor, perhaps, on
/// that of a coroutine. Asked by a signal handler, so it only reads.
pub(crate) fn is_on_its_stack(resumed: u32) -> bool {
    Worker::current().is_some_and(|worker| {
        worker.home.progress.is_resumption(resumed)
            && worker.current_slot().is_some_and(|slot| slot.phase() == Phase::Running && !slot.has_coroutines())
    })
}

/// Which fiber overflowed its stack, if one did: asked by the signal handler, so it only reads.
pub(crate) fn overflowing_fiber(fault: usize, report: &mut Report) -> bool {
    let Some(slot) = Worker::current().and_then(Worker::current_slot) else {
        return nested::overflowing_on_thread(fault, report);
    };
    // A fiber that ends has left its record.
    let Some(header) = slot.try_header() else {
        return false;
    };
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
