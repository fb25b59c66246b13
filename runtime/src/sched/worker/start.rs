//! How a worker starts a fiber, and takes back what an ended one had.

use super::Worker;
use crate::fiber::identity::Identity;
use crate::fiber::record::{FiberRef, Header, Kind};
use crate::fiber::slot::{self, FreeSlot, Slot, SlotInfo};
use crate::fiber::stack::{SizeClass, Stack, StackBounds, StackError, watermark};
use crate::fiber::unwind::{CancelReason, NotStarted, Raised, Target};
use crate::sched::home::Home;
use crate::sched::scheduler::{Stage, publish};
use crate::sched::{cancel, monitor};
use std::ptr::{self, NonNull};

impl Worker {
    /// Gives a fresh fiber a stack and runs it.
    pub(in crate::sched) fn start(&self, fiber: FiberRef) {
        let kind = fiber.kind();
        self.start_of(fiber, kind);
    }

    /// Gives a fresh fiber of this kind a stack and runs it.
    pub(super) fn start_of(&self, fiber: FiberRef, kind: Kind) {
        let Identity { custom, task, .. } = &fiber.identity;
        let at_hand = if custom.is_some() | task.is_some() { None } else { self.seat.take() };
        let Some(seat) = at_hand else {
            return self.start_slowly(fiber, kind);
        };
        self.settle(&fiber, &seat);
        self.run_first(fiber, kind, seat, 0);
    }

    /// Notes on a fiber what it has been given, and that it has started.
    #[inline(always)]
    fn settle(&self, fiber: &FiberRef, Seat { stack, slot, info }: &Seat) {
        let own = &fiber.own;
        own.slot.set(Some(*slot));
        own.info.set(Some(*info));
        own.stack.set(Some(stack.bounds()));
        if self.seen_stage.get() != Stage::Running {
            cancel::mark(fiber, CancelReason::Shutdown);
        }
        fiber.summons.settle(ptr::from_ref(self.home).cast_mut().cast());
    }

    /// Resumes a fiber for the first time. `slice` as [`SlotInfo::publish`] takes it.
    #[inline(always)]
    fn run_first(&self, fiber: FiberRef, kind: Kind, Seat { stack, slot, info }: Seat, slice: u32) {
        // SAFETY: as in `finish`.
        unsafe { info.as_ref() }.publish(fiber.id, &fiber.identity, slice);
        // SAFETY: the slot is from this worker's slab and free.
        let slot = unsafe { slot::occupy(slot, fiber, stack, fiber_main) };
        slot.begin(slot.header().identity.priority(), slot.header().roam.is_migratable());
        let ended = self.resume(slot);
        self.note_first(kind, !ended);
    }

    /// Starts a fiber when nothing is at hand, or when something was asked for it or for its task.
    #[inline(never)]
    fn start_slowly(&self, fiber: FiberRef, kind: Kind) {
        let at_hand = if fiber.identity.custom.is_none() { self.seat.take() } else { None };
        let seat = match at_hand.map_or_else(|| self.new_seat(&fiber), Ok) {
            Ok(seat) => seat,
            Err(error) => return self.refuse(&fiber, &error),
        };
        self.settle(&fiber, &seat);
        self.enroll(&fiber);
        if let Some(name) = fiber.identity.shared_name() {
            self.home.names().insert(fiber.id, name.clone());
        }
        if let Some(task) = fiber.identity.task {
            task.counters().started(self.index);
        }
        let slice = fiber.identity.timeslice().map_or(0, monitor::keep_slice);
        self.run_first(fiber, kind, seat, slice);
    }

    /// A slot, and a stack of the size that the fiber asks for. If there is none, one of the default size, on which it is refused.
    fn new_seat(&self, fiber: &Header) -> Result<Seat, StackError> {
        let stack = match self.take_stack(fiber) {
            Ok(stack) => stack,
            Err(error) => {
                // What the closure owns is dropped on a fiber all the same: destructors may wait.
                let Ok(stack) = self.stacks.borrow_mut().take(self.default_class) else { return Err(error) };
                fiber.own.refused.set(Some(Box::new(NotStarted(error.to_string()))));
                stack
            }
        };
        let (slot, info) = self.take_slot();
        Ok(Seat { stack, slot, info })
    }

    pub(super) fn take_stack(&self, fiber: &Header) -> Result<Stack, StackError> {
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

    pub(super) fn take_slot(&self) -> FreeSlot {
        let mut free = self.free.borrow_mut();
        loop {
            if let Some(slot) = free.pop() {
                return slot;
            }
            self.home.abroad.returned(&mut free);
            if free.is_empty() {
                self.home.slots.grow(&mut free);
                self.count_slots(free.len());
            }
        }
    }

    /// Ends a fiber for which there is no stack of any size.
    #[cold]
    pub(super) fn refuse(&self, fiber: &FiberRef, error: &StackError) {
        if let Some(task) = fiber.identity.task {
            task.counters().withdrawn(self.index);
        }
        // SAFETY: the fiber was taken from its queue and has not been run.
        unsafe { fiber.refuse(Box::new(NotStarted(error.to_string()))) };
        publish(fiber);
        self.home.count_ended();
    }

    /// Takes back what an ended fiber had.
    #[inline]
    pub(super) fn finish(&self, slot: &Slot) {
        if let Some(Left { bounds, info }) = self.left.take() {
            // SAFETY: the fiber has ended, the slot is this worker's, and the fiber noted the bounds that `start` had.
            let stack = unsafe { slot::release_left(slot, bounds) };
            // SAFETY: information blocks are never unmapped.
            unsafe { info.as_ref() }.clear();
            self.keep_seat(Seat { stack, slot: NonNull::from(slot), info });
        } else {
            self.finish_with_record(slot);
        }
        // Last: with the last fiber of a runtime its workers end.
        self.home.count_ended();
    }

    /// The same if the fiber has not left its record: somebody waited for it or nobody ever will, or more of the record is needed.
    #[inline(never)]
    fn finish_with_record(&self, slot: &Slot) {
        let bounds = slot.header().own.stack.take().expect("a started fiber has a stack");
        // SAFETY: the fiber has ended, the slot is this worker's, and `start` noted the bounds.
        let (stack, fiber) = unsafe { slot::release(slot, bounds) };
        if self.scheduler.settings.measure_stacks
            && let Some(task) = fiber.identity.task
        {
            task.saw_stack_use(watermark::high_water(&stack));
        }
        if fiber.identity.shared_name().is_some() {
            // Of the worker that started it.
            fiber.home().map(Home::names).expect("it has started").remove(&fiber.id);
        }
        let info = fiber.own.info.take().expect("a started fiber has its information");
        fiber.own.slot.set(None);
        // SAFETY: information blocks are never unmapped.
        unsafe { info.as_ref() }.clear();
        // Of the default size, and empty or not does not matter.
        let is_usual = fiber.identity.custom.is_none() && !self.scheduler.settings.measure_stacks;
        match self.send_home(&fiber, stack, (NonNull::from(slot), info)) {
            (Some(stack), Some((slot, info))) if is_usual => self.keep_seat(Seat { stack, slot, info }),
            (stack, free) => {
                if let Some(stack) = stack {
                    self.stacks.borrow_mut().give(stack);
                }
                if let Some(free) = free {
                    self.free.borrow_mut().push(free);
                }
            }
        }
    }

    #[inline(always)]
    fn keep_seat(&self, seat: Seat) {
        if let Some(before) = self.seat.replace(Some(seat)) {
            self.put_away(before);
        }
    }

    /// Slots that are free, also the one that is at hand.
    pub(super) fn free_slots(&self) -> usize {
        let seat = self.seat.take();
        let free = self.free.borrow().len() + usize::from(seat.is_some());
        self.seat.set(seat);
        free
    }

    fn put_away(&self, Seat { stack, slot, info }: Seat) {
        self.stacks.borrow_mut().give(stack);
        self.free.borrow_mut().push((slot, info));
    }

    /// Puts what is kept at hand where it came from.
    pub(super) fn clear_seat(&self) {
        if let Some(seat) = self.seat.take() {
            self.put_away(seat);
        }
    }

    /// Gives memory of stacks back; when it wants to be asked again.
    pub(in crate::sched) fn trim_stacks(&self) -> Option<u64> {
        self.clear_seat();
        self.stacks.borrow_mut().trim(self.now.get())
    }
}

/// The first function on every fiber's stack. Nothing unwinds out of it: that would end the process here.
extern "C" fn fiber_main(slot: &Slot) {
    slot.set_running();
    let fiber = slot.fiber();
    let panicked = fiber.own.spans.during(|| run_to_its_end(&fiber));
    if let Some(task) = fiber.identity.task {
        let worker = Worker::current().expect("a fiber runs on a worker");
        task.counters().finished(worker.index, panicked);
    }
    if !leaves(slot, &fiber) {
        publish(&fiber);
        slot.set_ready();
    }
}

/// What a fiber has that ends, and that its worker takes back.
#[derive(Clone, Copy)]
pub(super) struct Left {
    bounds: StackBounds,
    info: NonNull<SlotInfo>,
}

/// A stack of the default size and a slot, of a fiber that has left them: most fibers that end when they have started are followed by one
/// that is like them, and while that is so nothing is taken from the caches and given back to them. Put away before the worker
/// sleeps, so that a stack that nobody needs is found there.
pub(super) struct Seat {
    stack: Stack,
    slot: NonNull<Slot>,
    info: NonNull<SlotInfo>,
}

/// Publishes the result of a fiber that nobody waits for yet and gives up the slot's reference to its record, in one step: `true` if that could
/// be done. Then the worker finds in [`Left`] what it would have asked the record for.
///
/// Not of fibers of whose record more is needed when they have ended. Those are few, but for a scope's.
#[inline]
fn leaves(slot: &Slot, fiber: &Header) -> bool {
    let Header { identity, own, .. } = fiber;
    if identity.parent.is_some() || identity.custom.is_some() || fiber.roam.is_migratable() {
        return false;
    }
    let Some(worker) = Worker::current() else { return false };
    if worker.scheduler.settings.measure_stacks {
        return false;
    }
    let (Some(bounds), Some(info), place) = (own.stack.get(), own.info.get(), own.slot.take()) else { return false };
    // Others may have references, and post the fiber to this worker: it has no slot from here on. A signal handler, too, looks no further
    // than the slot.
    slot.set_ready();
    // SAFETY: this is the slot's fiber, of whose record nothing is used from here on, unless it has not left.
    if unsafe { slot::leave(slot) } {
        worker.left.set(Some(Left { bounds, info }));
        return true;
    }
    // What is dropped with the result may wait.
    own.slot.set(place);
    slot.set_running();
    false
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
