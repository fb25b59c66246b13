//! Without the feature `migrate`: nothing, at no cost.
#![deny(unsafe_code)]

use crate::fiber::record::{FiberRef, Header};
use crate::fiber::slot::{FreeSlot, Slot};
use crate::fiber::stack::Stack;
use crate::sched::current::Current;
use crate::sched::rings::Ring;
use crate::sched::scheduler::Scheduler;
use crate::sched::worker::Worker;
use std::sync::Arc;

/// A worker's own.
pub(crate) struct Roaming;

/// What the workers of a runtime share.
pub(crate) struct Roads;

/// What is left with a worker's home.
pub(crate) struct Abroad;

impl Roaming {
    pub(crate) fn new() -> Roaming {
        Roaming
    }
}

impl Roads {
    pub(crate) fn new(_: &[&Roaming], _: usize, _: bool) -> Roads {
        Roads
    }

    pub(in crate::sched) fn has_for_anybody(&self) -> bool {
        false
    }

    pub(in crate::sched) fn has_bound(&self, _: usize) -> bool {
        false
    }

    pub(in crate::sched) fn is_empty(&self) -> bool {
        true
    }
}

impl Abroad {
    pub(in crate::sched) fn new() -> Abroad {
        Abroad
    }

    pub(in crate::sched) fn open(&self, _: &Arc<Scheduler>) {}

    pub(in crate::sched) fn retire(&self) {}

    pub(crate) fn moved(&self) -> u64 {
        0
    }

    #[inline(always)]
    pub(in crate::sched) fn returned(&self, _: &mut Vec<FreeSlot>) {}
}

/// No fiber is woken like that.
pub(crate) fn wake(_: &FiberRef) {}

impl Worker {
    #[inline(always)]
    pub(in crate::sched) fn has_roaming(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(in crate::sched) fn run_roaming(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(in crate::sched) fn take_in_roaming(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(in crate::sched) fn steal_roaming(&self, _: &Ring) -> bool {
        false
    }

    #[inline(always)]
    pub(in crate::sched) fn enroll(&self, _: &FiberRef) {}

    #[inline(always)]
    pub(in crate::sched) fn board(&self, _: &Slot) {}

    #[inline(always)]
    pub(in crate::sched) fn let_go_of(&self, _: &Slot) {}

    #[inline(always)]
    pub(in crate::sched) fn wake_roaming(&self, _: &Slot) {}

    #[inline(always)]
    pub(in crate::sched) fn take_over(&self, _: &Header) {}

    #[inline(always)]
    pub(in crate::sched) fn postpone_roaming(&self, _: Current<'_>) {}

    #[inline(always)]
    pub(in crate::sched) fn wake_postponed_roaming(&self) {}

    #[inline(always)]
    pub(in crate::sched) fn cancel_roaming(&self) {}

    /// Where the stack of an ended fiber and its slot go, unless to this worker.
    #[inline(always)]
    pub(in crate::sched) fn send_home(
        &self,
        _: &Header,
        stack: Stack,
        slot: FreeSlot,
    ) -> (Option<Stack>, Option<FreeSlot>) {
        (Some(stack), Some(slot))
    }
}
