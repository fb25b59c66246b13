//! Fibers that start later: no stack, no slot, until their time has come.
//!
//! One worker keeps such a fiber, with a timer: the one it was spawned on; for a thread, any one of the runtime's, which is told by a
//! [`Request`]. When the time has come, the fiber goes where it would have gone at once ([`Worker::send`]), and any worker may take it.
//!
//! Cancelling it must not wait for the time. So it has a home from the beginning, its keeper's, where the wake of whoever cancels
//! arrives; and the keeper then lets it go at once, to end as cancelled before it starts. A fiber that was let go has the home
//! [`NOWHERE`] until it starts: a wake that is under way to the old keeper finds that, and is dropped, since whoever starts the
//! fiber sees for itself that it is cancelled ([`summons`](crate::fiber::summons)).

use super::lend::Loan;
use super::scheduler::{Scheduler, Stage, reserve_ids, withdraw};
use super::timers::TimerKey;
use super::worker::{Alarm, Worker};
use crate::Numa;
use crate::fiber::identity::Identity;
use crate::fiber::record::{FiberRef, Handle, Header};
use crate::fiber::summons::NOWHERE;
use crate::fiber::unwind::CancelReason;
use crate::sched::cancel;
use std::ptr;
use std::sync::Arc;

/// What a worker keeps; a place in it is the payload of its timer.
#[derive(Default)]
pub(super) struct Delayed {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Whose time has come.
    due: Vec<u32>,
}

struct Entry {
    fiber: FiberRef,
    numa: Option<Numa>,
    timer: TimerKey,
}

/// What another thread asks of a worker.
pub(super) enum Request {
    /// To keep a fiber until this reading of the clock.
    Delay { fiber: FiberRef, at: u64, numa: Option<Numa> },
    /// To look at a fiber that may change its worker, if it is kept here. Wakes of one that has started go to where it is instead.
    Hurry(FiberRef),
    /// To count a loan to one of its fibers, or its return.
    Lend { loan: Loan, by: i32 },
}

impl Delayed {
    /// The time of the fiber in this place has come.
    pub(super) fn fire(&mut self, place: u32) {
        self.due.push(place);
    }

    fn take(&mut self, place: u32) -> Entry {
        let entry = self.entries[place as usize].take().expect("a fiber is let go once");
        self.free.push(place);
        entry
    }
}

impl Worker {
    /// Spawns a fiber that is to start once the clock reads `at`.
    pub(crate) fn spawn_at<F: FnOnce() -> T, T>(
        &self,
        at: u64,
        f: F,
        identity: Identity,
        numa: Option<Numa>,
    ) -> Handle<T> {
        let (fiber, handle) = self.record(f, identity);
        self.delay(fiber, at, numa);
        handle
    }

    fn delay(&self, fiber: FiberRef, at: u64, numa: Option<Numa>) {
        if self.seen_stage.get() != Stage::Running {
            return self.send(fiber, numa);
        }
        let header = FiberRef::clone(&fiber);
        {
            let mut delayed = self.delayed.borrow_mut();
            let place = delayed.free.pop().unwrap_or_else(|| {
                delayed.entries.push(None);
                u32::try_from(delayed.entries.len() - 1).expect("fewer fibers than could be held in memory")
            });
            // One for which the time never comes can still be cancelled.
            let timer = self.timers.borrow_mut().insert(at, Alarm::Start(place));
            header.own.delayed.set(place + 1);
            header.summons.settle(ptr::from_ref(self.home).cast_mut().cast());
            delayed.entries[place as usize] = Some(Entry { fiber, numa, timer });
        }
        // Whoever cancels from here on wakes it here; who did so before has left a mark.
        header.summons.before_first_wait();
        self.hurry(&header);
    }

    /// Looks at a fiber that this worker keeps: one that was cancelled is let go.
    #[cold]
    pub(super) fn hurry(&self, fiber: &Header) {
        if fiber.own.delayed.get() != 0 && fiber.summons.is_marked() {
            let entry = self.delayed.borrow_mut().take(fiber.own.delayed.get() - 1);
            self.timers.borrow_mut().cancel(entry.timer);
            self.let_start(entry);
        }
    }

    /// Lets all go whose time has come.
    #[inline]
    pub(super) fn start_due(&self) {
        if !self.delayed.borrow().due.is_empty() {
            let due = std::mem::take(&mut self.delayed.borrow_mut().due);
            for place in due {
                let entry = self.delayed.borrow_mut().take(place);
                self.let_start(entry);
            }
        }
    }

    /// Lets all go, to end: the runtime ends.
    pub(super) fn cancel_delayed(&self) {
        let entries = std::mem::take(&mut self.delayed.borrow_mut().entries);
        for entry in entries.into_iter().flatten() {
            self.timers.borrow_mut().cancel(entry.timer);
            cancel::mark(&entry.fiber, CancelReason::Shutdown);
            self.let_start(entry);
        }
        self.delayed.borrow_mut().free.clear();
    }

    fn let_start(&self, Entry { fiber, numa, .. }: Entry) {
        fiber.own.delayed.set(0);
        fiber.summons.settle(NOWHERE);
        self.send(fiber, numa);
    }

    /// Does what other threads have asked for.
    #[inline]
    pub(super) fn attend_requests(&self) {
        if !self.home.requests().is_empty() {
            for request in self.home.requests().take() {
                match request {
                    Request::Delay { fiber, at, numa } => self.delay(fiber, at, numa),
                    Request::Hurry(fiber) => self.hurry(&fiber),
                    Request::Lend { loan, by } => self.change_loan(loan, by),
                }
            }
        }
    }
}

impl Scheduler {
    /// Spawns a fiber on this runtime, from anywhere, that is to start once the clock reads `at`. As [`spawn`](Self::spawn).
    pub(crate) fn spawn_at<F: FnOnce() -> T, T>(
        self: &Arc<Self>,
        at: u64,
        f: F,
        identity: Identity,
        numa: Option<Numa>,
    ) -> Handle<T> {
        if let Some(worker) = Worker::current()
            && Arc::ptr_eq(worker.scheduler(), self)
        {
            return worker.spawn_at(at, f, identity, numa);
        }
        let id = reserve_ids(1);
        let (fiber, handle) = FiberRef::spawn(f, id, identity);
        if let Some(task) = fiber.identity.task {
            task.counters().spawned(0);
        }
        let here = self.nodes.here();
        if self.nodes.admit(here) {
            let near = || self.homes.iter().zip(&self.nodes.plan.node_of).filter(|&(_, &node)| node == here);
            let keepers = near().count().max(1) as u64;
            let keeper = near().nth((id % keepers) as usize).map_or(self.homes[0], |(home, _)| home);
            // It does not end before this fiber has.
            keeper.ask(Request::Delay { fiber, at, numa });
        } else {
            withdraw(&fiber);
        }
        handle
    }
}
