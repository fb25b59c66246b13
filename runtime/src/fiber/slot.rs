//! The scheduling state of started fibers, dense and apart from their stacks.
//!
//! A worker reads one [`Slot`] (a cache line) for each fiber that it resumes. With that state at the top of each stack
//! every such read would also miss in the TLB. What only observers (the dump) read is in [`SlotInfo`], a second array.
//!
//! Who may touch what: the worker that owns the slab reads and writes everything; of a fiber that may move ([`roam`](super::roam)), whoever
//! has it, wherever that is. Other threads read the atomics alone, and
//! only those; they may see a slot between two fibers, which the identifier, read before and after, tells them.
//! Slots are never unmapped: a slab belongs to a `Home` (see `sched`), and homes are recycled for ever.

mod slab;

pub(crate) use slab::{FreeSlot, SlotSlab};

use super::context::Context;
use super::identity::Identity;
use super::reason::Reason;
use super::record::{FiberRef, Header, Own};
use super::stack::{Stack, StackBounds};
use crate::Priority;
use crate::registry::Task;
use std::cell::{Cell, UnsafeCell};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, fence};

/// What a started fiber is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In its worker's ready queue, or about to be.
    Ready,
    /// On its worker's processor. Set by the fiber itself, once it is on its stack, and ended by it before it leaves: a signal handler
    /// that finds it knows that it has not come between two stacks.
    Running,
    /// Suspended; in nobody's queue.
    Waiting,
}

/// One started fiber, as its worker sees it.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// Initialised while the slot is taken.
    context: UnsafeCell<MaybeUninit<Context>>,
    /// The fiber's record, as `FiberRef::into_raw` gave it: with the right to all of the record, not to its header alone.
    header: Cell<*mut Header>,
    /// `READY`, `RUNNING`, or `WAITING` and what follows, one for each `Reason`. A byte of its own: it changes twice in each suspension, and is
    /// written without being read, so that no change waits for the one before.
    state: AtomicU8,
    /// What stays from one suspension to the next: the priority, `COROUTINES`, `ROAMS`.
    traits: AtomicU8,
    /// What the context wants kept about where the fiber last suspended.
    depth: AtomicU16,
    /// When the fiber last changed to waiting, in the worker's coarse clock.
    since: AtomicU32,
}

/// What observers may know of the fiber in a slot.
pub(crate) struct SlotInfo {
    /// The fiber's identifier; 0 while the slot is free.
    id: AtomicU64,
    task: AtomicPtr<Task>,
    /// Where the fiber was spawned; null if nobody knows.
    site: AtomicPtr<Location<'static>>,
    /// The fiber's time slice in microseconds; zero for the runtime's.
    slice: AtomicU32,
    /// The number of the worker that ran the fiber last, if it may move.
    #[cfg(feature = "migrate")]
    at: AtomicU32,
}

/// A fiber as an observer saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub(crate) id: u64,
    pub(crate) task: Option<&'static Task>,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    /// The one that it has at present.
    pub(crate) priority: Priority,
    /// In the worker's coarse clock.
    pub(crate) since: u32,
    pub(crate) site: Option<&'static Location<'static>>,
    /// The fiber's own time slice in microseconds; zero if it has none.
    pub(crate) slice: u32,
    /// The worker that ran it last, if that may be another than the one that started it.
    pub(crate) at: Option<usize>,
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            context: UnsafeCell::new(MaybeUninit::uninit()),
            header: Cell::new(ptr::null_mut()),
            state: AtomicU8::new(READY),
            traits: AtomicU8::new(0),
            depth: AtomicU16::new(0),
            since: AtomicU32::new(0),
        }
    }

    /// The fiber's context.
    ///
    /// # Safety
    ///
    /// The slot is taken.
    #[inline(always)]
    unsafe fn context(&self) -> &Context {
        // SAFETY: a taken slot's context is initialised, and only ever borrowed like this.
        unsafe { (*self.context.get()).assume_init_ref() }
    }

    /// The fiber's record.
    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a taken slot holds its record alive; `occupy` stores it, and `leave` or `release` clear it when the fiber has ended.
        unsafe { &*self.header.get() }
    }

    /// The record of the fiber in the slot, if there is one. By the slot's worker.
    pub(crate) fn try_header(&self) -> Option<&Header> {
        // SAFETY: as above; a free slot has none.
        unsafe { self.header.get().as_ref() }
    }

    /// The fiber's record, borrowed.
    #[inline(always)]
    pub(crate) fn fiber(&self) -> ManuallyDrop<FiberRef> {
        // SAFETY: a taken slot holds a reference, which is borrowed here: it is not dropped.
        ManuallyDrop::new(unsafe { FiberRef::from_raw(self.header.get()) })
    }

    #[inline(always)]
    pub(crate) fn phase(&self) -> Phase {
        phase_of(self.state.load(Relaxed))
    }

    /// Notes that the fiber is in a queue, or about to be, or has ended.
    #[inline(always)]
    pub(crate) fn set_ready(&self) {
        self.state.store(READY, Relaxed);
    }

    /// Notes that the fiber runs. By the fiber itself.
    #[inline(always)]
    pub(crate) fn set_running(&self) {
        self.state.store(RUNNING, Relaxed);
    }

    /// Whether the fiber's priority is the ordinary one.
    #[inline(always)]
    pub(crate) fn is_normal(&self) -> bool {
        self.traits.load(Relaxed) & PRIORITY == 0
    }

    /// The priority that the fiber has at present.
    pub(crate) fn priority(&self) -> Priority {
        priority_of(self.traits.load(Relaxed))
    }

    /// Changes the priority of the fiber. Its place in a queue does not follow.
    pub(crate) fn set_priority(&self, priority: Priority) {
        self.traits.store(self.traits.load(Relaxed) & !PRIORITY | bits_of(priority), Relaxed);
    }

    /// Notes that the running fiber is about to yield.
    #[inline(always)]
    pub(crate) fn set_yielding(&self) {
        self.keep_depth();
        self.set_ready();
    }

    /// Notes that the fiber waits, for what, and since when.
    #[inline(always)]
    pub(crate) fn set_waiting(&self, reason: Reason, now: u32) {
        self.keep_depth();
        self.since.store(now, Relaxed);
        self.state.store(WAITING + reason as u8, Relaxed);
    }

    /// Notes what the fiber is like that is about to start here.
    #[inline(always)]
    pub(crate) fn begin(&self, priority: Priority, roams: bool) {
        self.set_ready();
        self.traits.store(bits_of(priority) | if roams { ROAMS } else { 0 }, Relaxed);
    }

    /// Notes that a coroutine is entered on the running fiber.
    pub(crate) fn note_coroutines(&self) {
        self.traits.store(self.traits.load(Relaxed) | COROUTINES, Relaxed);
    }

    /// Whether a coroutine was ever entered on the fiber. Here and not in its record, because every suspension asks, and most need nothing of the
    /// record: its cache line, and where it is in memory, would be one miss more for each of many fibers.
    #[inline(always)]
    pub(crate) fn has_coroutines(&self) -> bool {
        self.traits.load(Relaxed) & COROUTINES != 0
    }

    /// Whether the fiber here, or that was here last, may move. From any thread.
    #[inline(always)]
    pub(crate) fn roams(&self) -> bool {
        cfg!(feature = "migrate") && self.traits.load(Relaxed) & ROAMS != 0
    }

    /// Notes how deep the running fiber's stack is here, if the context wants it.
    #[inline(always)]
    fn keep_depth(&self) {
        // SAFETY: a fiber runs in the slot.
        if let Some(depth) = unsafe { self.context() }.depth() {
            self.depth.store(depth, Relaxed);
        }
    }

    /// About where the fiber's stack ended when it last suspended.
    ///
    /// # Safety
    ///
    /// The slot is taken.
    #[inline(always)]
    pub(crate) unsafe fn suspended_at(&self) -> usize {
        // SAFETY: passed on to the caller.
        unsafe { self.context() }.suspended_at(|| self.depth.load(Relaxed))
    }

    /// Runs the fiber until it suspends or ends; `true` once it has ended.
    ///
    /// # Safety
    ///
    /// The slot is taken, the caller is its worker, and no fiber of this slab is running.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self) -> bool {
        // SAFETY: passed on to the caller: a fiber that does not run is suspended or has not started.
        unsafe { self.context().resume() }
    }

    /// Suspends the fiber; returns when it is resumed.
    ///
    /// # Safety
    ///
    /// Called on the fiber of this slot itself.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: passed on to the caller.
        unsafe { self.context().suspend() }
        self.set_running();
    }

    /// Suspends the fiber in favour of another one, as if its worker resumed that; returns when the first is resumed.
    ///
    /// # Safety
    ///
    /// Called on the fiber of this slot itself. `next` is taken, by a fiber of the same worker, which is not running.
    #[inline(always)]
    pub(crate) unsafe fn hand_over(&self, next: &Slot) {
        // SAFETY: passed on to the caller.
        unsafe { self.context().hand_over(next.context()) }
        self.set_running();
    }
}

impl Own {
    /// The fiber's slot, while it has one.
    #[inline]
    pub(crate) fn taken_slot(&self) -> Option<&Slot> {
        // SAFETY: slots are never unmapped.
        self.slot.get().map(|slot| unsafe { slot.as_ref() })
    }
}

const READY: u8 = 0;
const RUNNING: u8 = 1;
/// The first of the states of a fiber that waits.
const WAITING: u8 = 2;

/// The bits of the priority: zero for the ordinary one, so that one test tells.
const PRIORITY: u8 = 0b11;
/// The bit of a fiber on which a coroutine was entered.
const COROUTINES: u8 = 0x40;
/// The bit of a fiber that may move; none does without the feature `migrate`.
const ROAMS: u8 = 0x80;

fn bits_of(priority: Priority) -> u8 {
    match priority {
        Priority::Normal => 0,
        Priority::High => 1,
        Priority::Low => 2,
        Priority::Idle => 3,
    }
}

fn priority_of(traits: u8) -> Priority {
    match traits & PRIORITY {
        0 => Priority::Normal,
        1 => Priority::High,
        2 => Priority::Low,
        _ => Priority::Idle,
    }
}

fn phase_of(state: u8) -> Phase {
    match state {
        READY => Phase::Ready,
        RUNNING => Phase::Running,
        _ => Phase::Waiting,
    }
}

impl SlotInfo {
    const fn new() -> SlotInfo {
        SlotInfo {
            id: AtomicU64::new(0),
            task: AtomicPtr::new(ptr::null_mut()),
            site: AtomicPtr::new(ptr::null_mut()),
            slice: AtomicU32::new(0),
            #[cfg(feature = "migrate")]
            at: AtomicU32::new(0),
        }
    }

    /// Notes whose slot this is. `slice` in microseconds, zero for the runtime's.
    pub(crate) fn publish(&self, id: u64, identity: &Identity, slice: u32) {
        fn pointer<T>(to: Option<&'static T>) -> *mut T {
            to.map_or(ptr::null_mut(), |to| ptr::from_ref(to).cast_mut())
        }
        // An observer that sees what follows sees the slot free, or this fiber: never the one before.
        fence(Release);
        self.task.store(pointer(identity.task), Relaxed);
        self.site.store(pointer(identity.site), Relaxed);
        self.slice.store(slice, Relaxed);
        self.id.store(id, Release);
    }

    /// Notes which worker runs the fiber.
    #[cfg(feature = "migrate")]
    pub(crate) fn set_at(&self, worker: usize) {
        self.at.store(worker as u32, Relaxed);
    }

    /// Notes that the slot is free.
    pub(crate) fn clear(&self) {
        self.id.store(0, Release);
    }

    /// The fiber in `slot`, whose information this is.
    fn observe(&self, slot: &Slot) -> Option<Observed> {
        let id = self.id.load(Acquire);
        if id == 0 {
            return None;
        }
        let state = slot.state.load(Relaxed);
        let traits = slot.traits.load(Relaxed);
        let since = slot.since.load(Relaxed);
        let task = self.task.load(Relaxed);
        let site = self.site.load(Relaxed);
        let slice = self.slice.load(Relaxed);
        #[cfg(feature = "migrate")]
        let at = slot.roams().then(|| self.at.load(Relaxed) as usize);
        #[cfg(not(feature = "migrate"))]
        let at = None;
        fence(Acquire);
        if self.id.load(Relaxed) != id {
            return None;
        }
        Some(Observed {
            id,
            // SAFETY: only `publish` stores here, and it stores `'static` references or null.
            task: unsafe { task.as_ref() },
            phase: phase_of(state),
            priority: priority_of(traits),
            reason: state.checked_sub(WAITING).and_then(Reason::from_number),
            since,
            // SAFETY: as for the task.
            site: unsafe { site.as_ref() },
            slice,
            at,
        })
    }
}

/// Takes a free slot for a fiber that starts, and will run `body` on `stack`.
///
/// # Safety
///
/// The slot came from the caller's own slab and is free.
#[inline]
pub(crate) unsafe fn occupy<'a>(
    slot: NonNull<Slot>,
    fiber: FiberRef,
    stack: Stack,
    body: extern "C" fn(&Slot),
) -> &'a Slot {
    // SAFETY: slots are never unmapped, and this one is the caller's alone.
    let slot = unsafe { slot.as_ref() };
    // SAFETY: the slot is free, so nothing refers to its context; it will not be unmapped before the body has returned.
    unsafe { Context::prepare(slot.context.get().cast(), stack, slot, body) };
    slot.header.set(fiber.into_raw());
    slot
}

/// Publishes the result of the fiber in this slot, if nobody waits for it and its handle is there, and with that empties the slot of the fiber:
/// `true` if so, and then the record may be gone.
///
/// # Safety
///
/// The slot is taken, and the caller is its fiber, which ends, and has no part of its record in use.
#[inline]
pub(crate) unsafe fn leave(slot: &Slot) -> bool {
    let left = slot.header().join.complete_and_release();
    if left {
        slot.header.set(ptr::null_mut());
    }
    left
}

/// Empties the slot of a fiber that has ended and [left](leave) its record: its stack.
///
/// # Safety
///
/// As for [`release`].
#[inline]
pub(crate) unsafe fn release_left(slot: &Slot, bounds: StackBounds) -> Stack {
    debug_assert!(slot.header.get().is_null(), "it has left");
    // SAFETY: as in `release`.
    unsafe { slot.context().reclaim_stack(bounds) }
}

/// Empties the slot of a fiber that has ended: its stack, and the slot's reference to it.
///
/// # Safety
///
/// `bounds` are those of the fiber's stack. The slot is taken, its fiber has ended, and the caller is its worker.
#[inline]
pub(crate) unsafe fn release(slot: &Slot, bounds: StackBounds) -> (Stack, FiberRef) {
    // SAFETY: the slot gives up the reference that it was given.
    let fiber = unsafe { FiberRef::from_raw(slot.header.replace(ptr::null_mut())) };
    // SAFETY: a taken slot's context is initialised, was made with the stack whose bounds its record keeps, and counts as
    // uninitialised from here on: it is not dropped.
    let stack = unsafe { slot.context().reclaim_stack(bounds) };
    (stack, fiber)
}

#[cfg(all(not(feature = "sanitizer"), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Slot>() == 64, "a slot is one cache line");
