//! The switch: one suspended or finished flow of control on a stack of its own.
//!
//! corosensei does it today. Nothing outside this file and [`nested`](super::nested) names it, so that another switch can take its
//! place.

use super::slot::Slot;
use super::stack::{Stack, StackBounds};
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// A flow of control that can be resumed until it ends.
pub(crate) struct Context(Coroutine<(), (), (), Stack>);

/// What a running flow of control needs in order to suspend itself.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Suspender(*const Yielder<(), ()>);

impl Suspender {
    /// An address near the top of the stack.
    #[inline(always)]
    pub(crate) fn addr(self) -> usize {
        self.0.addr()
    }

    pub(crate) const NONE: Suspender = Suspender(std::ptr::null());

    /// Switches to whoever resumed this flow of control; returns when it is resumed again.
    ///
    /// # Safety
    ///
    /// Called on the very flow of control that this suspender was given to, after it started and before it ended.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the caller is on the coroutine whose root frame holds the yielder, so the frame is alive.
        unsafe { (*self.0).suspend(()) }
    }
}

impl Context {
    /// Prepares `body(slot)` to run on `stack`. Nothing runs before the first [`resume`](Self::resume).
    ///
    /// The body gets the slot whose suspender it is to use; the suspender is stored there before it runs.
    #[inline]
    pub(crate) fn new(stack: Stack, slot: *const Slot, body: fn(&Slot)) -> Context {
        Context(Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: a slot lives as long as the context in it, and slots are never unmapped while a worker runs
            // (`SlotSlab` keeps that).
            let slot = unsafe { &*slot };
            slot.set_suspender(Suspender(yielder));
            body(slot);
        }))
    }

    /// Runs it until it suspends or ends; `true` once it has ended.
    #[inline(always)]
    pub(crate) fn resume(&mut self) -> bool {
        matches!(self.0.resume(()), CoroutineResult::Return(()))
    }

    /// The stack, whose bounds are `bounds`, to be used again. It has ended.
    ///
    /// # Safety
    ///
    /// The context was made with a stack of these bounds, and is forgotten after this call, not dropped.
    #[inline]
    pub(crate) unsafe fn reclaim_stack(&mut self, bounds: StackBounds) -> Stack {
        // SAFETY: passed on to the caller.
        unsafe { reclaim(&mut self.0, bounds) }
    }
}

/// The stack of a flow of control that has ended, whose bounds are `bounds`.
///
/// # Safety
///
/// `ended` was made with a stack of these bounds, and is forgotten after this call, not dropped.
#[inline]
pub(super) unsafe fn reclaim<In, Out, R>(ended: &mut Coroutine<In, Out, R, Stack>, bounds: StackBounds) -> Stack {
    debug_assert!(ended.done());
    if cfg!(feature = "sanitizer") {
        // Lifts the poison that the frames left.
        // SAFETY: the caller forgets the original.
        return unsafe { std::ptr::read(ended) }.into_stack();
    }
    // The bounds rather than the stack out of the coroutine: moving the coroutine right after it wrote its last word waits
    // for the store (13 ns of the 20 of a create-run-drop).
    // SAFETY: the stack in the coroutine is forgotten, so this is the only one with these bounds.
    unsafe { Stack::new(bounds) }
}
