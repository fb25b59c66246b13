//! From one fiber to the next without the worker's loop in between.
//!
//! A fiber that suspends in the middle of a batch of ready ones does what the loop would do next: it takes the first of the ready queue, and
//! switches to it directly. That is one switch in place of two. Nothing else changes: the order is that of the queue, and each such step counts
//! in the batch as a resumption, so the loop has its turn when it would have.
//!
//! Whatever the loop does for single fibers goes by way of it: starting and ending them, fibers that may move and leave, priorities other than the
//! ordinary one.

use super::{OPERATIONS, Worker};
use crate::fiber::context::Context;
use crate::fiber::slot::Slot;
use crate::sched::current::Current;
use std::ptr::{self, NonNull};

impl Worker {
    /// Suspends the running fiber, which waits, or is in the ready queue; returns when it is resumed.
    ///
    /// # Safety
    ///
    /// Called on the fiber of this slot.
    #[inline(always)]
    pub(in crate::sched) unsafe fn leave(&self, slot: &Slot) {
        if self.may_hand_over(slot)
            && let Some(next) = self.ready.pop()
        {
            if ptr::eq(next.as_ptr(), slot) {
                self.go_on(slot);
            } else {
                // SAFETY: passed on to the caller; the next one is from the ready queue.
                unsafe { self.hand_over(slot, next) };
            }
        } else {
            // SAFETY: passed on to the caller.
            unsafe { slot.suspend() };
        }
    }

    /// Puts the running fiber at the end of the ready queue and suspends it, if that can be done without the loop; returns when it is resumed.
    /// `false` if nothing was done.
    ///
    /// # Safety
    ///
    /// Called on the fiber of this slot.
    #[inline(always)]
    pub(in crate::sched) unsafe fn pass_on(&self, slot: &Slot) -> bool {
        if !self.may_hand_over(slot) || !slot.is_normal() {
            return false;
        }
        if let Some(next) = self.ready.rotate(slot) {
            // SAFETY: passed on to the caller; the next one is from the ready queue.
            unsafe { self.hand_over(slot, next) };
        } else {
            self.go_on(slot);
        }
        true
    }

    /// The running fiber is itself the next one.
    #[inline(always)]
    fn go_on(&self, slot: &Slot) {
        self.pass_points(slot, slot);
        self.set_out(slot);
        slot.set_running();
    }

    #[inline(always)]
    fn may_hand_over(&self, leaving: &Slot) -> bool {
        Context::HANDS_OVER
            && self.hands_over.get()
            && !self.lines.is_mixed()
            && !leaving.roams()
            && !self.has_roaming()
            && self.home.progress.has_next_of_batch()
    }

    /// # Safety
    ///
    /// Called on the fiber of this slot. The next one was in the ready queue.
    #[inline(always)]
    unsafe fn hand_over(&self, slot: &Slot, next: NonNull<Slot>) {
        // SAFETY: slots are never unmapped.
        let next = unsafe { next.as_ref() };
        self.prefetch_later();
        self.pass_points(slot, next);
        if next.roams() {
            // One that something ties to this worker.
            self.board(next);
        }
        self.set_out(next);
        // SAFETY: passed on to the caller; what was in the queue is not running.
        unsafe { slot.hand_over(next) };
    }

    #[inline(always)]
    fn pass_points(&self, leaving: &Slot, next: &Slot) {
        // Between two fibers none is running.
        self.current.set(ptr::null());
        self.points.pass(Current::of(self, leaving));
        self.points.pass(Current::of(self, next));
    }

    /// Notes that this fiber is about to be resumed.
    #[inline(always)]
    pub(super) fn set_out(&self, slot: &Slot) {
        self.current.set(slot);
        self.allowance.set(OPERATIONS);
        self.home.progress.resume(slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::fiber::Reason;
    use crate::runtime::Builder;
    use crate::sched::Current;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    /// What wakes itself while it publishes is the next one itself, if nobody else is ready.
    #[test]
    fn a_fiber_that_woke_itself_goes_on() {
        Builder::new().workers(1).build().unwrap().run(|| {
            for others in [0, 1, 5] {
                let fibers: Vec<_> =
                    (0..others).map(|_| crate::spawn_local(|| (0..20).for_each(|_| crate::yield_now()))).collect();
                for round in 0..20 {
                    // Elsewhere in the program than the wait below.
                    if round % 3 == 0 {
                        crate::yield_now();
                    }
                    let current = Current::get().unwrap();
                    let published = Cell::new(0);
                    current.suspend_then(Reason::Park, || {
                        published.set(published.get() + 1);
                        current.fiber().wake();
                        true
                    });
                    assert_eq!(published.get(), 1);
                }
                fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            }
        });
    }

    /// Fibers that wait, yield, and end in between, in the order of the queue.
    #[test]
    fn the_order_is_that_of_the_queue_whoever_switches() {
        let order = Builder::new().workers(1).build().unwrap().run(|| {
            let order = Rc::new(RefCell::new(Vec::new()));
            let fibers: Vec<_> = (0..4)
                .map(|number| {
                    let order = order.clone();
                    crate::spawn_local(move || {
                        for round in 0..=number {
                            order.borrow_mut().push((round, number));
                            crate::yield_now();
                        }
                    })
                })
                .collect();
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            order.take()
        });
        let expected: Vec<_> = (0..4).flat_map(|round| (round..4).map(move |number| (round, number))).collect();
        assert_eq!(order, expected);
    }
}
