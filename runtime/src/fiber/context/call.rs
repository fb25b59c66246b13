//! The switch by call and return: corosensei's.

use super::super::stack::{Stack, StackBounds};
use crate::sys::prefetch::CACHE_LINE;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// A flow of control that can be resumed until it ends.
pub(crate) struct Context {
    coroutine: UnsafeCell<Coroutine<(), (), (), Stack>>,
    /// On the first frame of the coroutine; null before it has started.
    suspender: Cell<*const Yielder<(), ()>>,
}

impl Context {
    /// Prepares `body(argument)` to run on `stack`. Nothing runs before the first [`resume`](Self::resume).
    ///
    /// # Safety
    ///
    /// `place` may be written to, and the context stays there until it was resumed once. The argument is good until the body has
    /// returned.
    #[inline]
    pub(crate) unsafe fn prepare<A: 'static>(
        place: *mut Context,
        stack: Stack,
        argument: *const A,
        body: extern "C" fn(&A),
    ) {
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: the context has not been moved, and the argument is good.
            unsafe {
                (*place).suspender.set(yielder);
                body(&*argument);
            }
        });
        let context = Context { coroutine: UnsafeCell::new(coroutine), suspender: Cell::new(ptr::null()) };
        // SAFETY: passed on to the caller.
        unsafe { place.write(context) };
    }

    /// Runs it until it suspends or ends; `true` once it has ended.
    ///
    /// # Safety
    ///
    /// It is suspended, or has not been resumed before.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self) -> bool {
        // SAFETY: nobody else resumes it, and it touches only its suspender.
        matches!(unsafe { &mut *self.coroutine.get() }.resume(()), CoroutineResult::Return(()))
    }

    /// Switches to whoever resumed this flow of control; returns when it is resumed again.
    ///
    /// # Safety
    ///
    /// Called on this very flow of control.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: the caller is on the coroutine whose first frame holds the yielder, so that is alive.
        unsafe { (*self.suspender.get()).suspend(()) }
    }

    /// Whether [`hand_over`](Self::hand_over) is to be used: a coroutine of corosensei's returns to whoever called it.
    pub(crate) const HANDS_OVER: bool = false;

    /// Not with this engine.
    ///
    /// # Safety
    ///
    /// Not called.
    pub(crate) unsafe fn hand_over(&self, _: &Context) {
        unreachable!("this engine goes by way of the worker");
    }

    /// What is to be kept about how deep the running flow's stack is here, in sixteen bits, for [`suspended_at`](Self::suspended_at).
    #[inline(always)]
    pub(crate) fn depth(&self) -> Option<u16> {
        let mark = 0_u8;
        Some((self.suspender.get().addr().wrapping_sub((&raw const mark).addr()) / CACHE_LINE) as u16)
    }

    /// About where the stack of the suspended flow ends, of which [`depth`](Self::depth) said this shortly before.
    #[inline(always)]
    pub(crate) fn suspended_at(&self, depth: impl FnOnce() -> u16) -> usize {
        self.suspender.get().addr().wrapping_sub((usize::from(depth()) + 1) * CACHE_LINE)
    }

    /// The stack, whose bounds are `bounds`, to be used again.
    ///
    /// # Safety
    ///
    /// The context was made with a stack of these bounds, has ended, and is forgotten after this call, not dropped.
    #[inline]
    pub(crate) unsafe fn reclaim_stack(&self, bounds: StackBounds) -> Stack {
        // SAFETY: passed on to the caller.
        unsafe { super::reclaim(&mut *self.coroutine.get(), bounds) }
    }
}
