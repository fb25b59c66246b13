//! How a worker chooses when not all that it could run is of the ordinary priority ([`priority`](crate::sched::priority)).

use super::{FRESH, Worker};
use crate::Priority;
use crate::fiber::record::FiberRef;
use crate::fiber::slot::Slot;
use crate::sched::priority::{ALL, Entry, MOST_CONTINUATIONS, Running, allowance, due};
use std::cell::Cell;

/// Where the fiber is that is due first.
#[derive(Clone, Copy)]
enum Place {
    /// The fiber that kept its place.
    Continuation,
    /// The first of the ready queue.
    Ready,
    /// The first of the worker's line of this priority.
    Line(Priority),
    /// The first of this priority in an injector of the worker's node.
    Injected(Priority),
    /// The oldest in one of the fresh queues.
    Fresh,
}

/// Which of the fresh queues' fibers are overdue: newest first, they do not show how old they are.
///
/// They are counted whenever an allowance has passed. Those that were there at the last count, as far as they still can be, are
/// overdue at this one.
#[derive(Default)]
pub(super) struct Aging {
    /// When they were counted, in the worker's clock.
    counted: Cell<u64>,
    /// When they were counted before.
    counted_before: Cell<u64>,
    /// How many there were.
    old: [Cell<usize>; 3],
    /// How many of them are overdue, at most.
    overdue: [Cell<usize>; 3],
}

impl Worker {
    /// Puts a started fiber into the queue of its priority.
    #[inline(always)]
    pub(in crate::sched) fn enqueue(&self, slot: &Slot) {
        if slot.is_normal() {
            self.ready.push(slot);
        } else {
            self.lines.push(slot.priority(), self.now.get(), Entry::Started(slot.into()));
        }
    }

    /// Keeps a fresh fiber that this worker alone may start.
    #[inline]
    pub(in crate::sched) fn keep_fresh(&self, fiber: FiberRef) {
        match fiber.identity.priority() {
            Priority::Normal => self.fresh_local.borrow_mut().push_back(fiber),
            priority => self.lines.push(priority, self.now.get(), Entry::Fresh(fiber)),
        }
    }

    /// Looks whether the node's injectors have anything that is not normal, and counts what grows old. Once a turn.
    #[inline]
    pub(super) fn attend_priorities(&self) {
        self.lines.see_injected(self.scheduler.nodes.has_others(self.node));
        let now = self.now.get();
        if now.saturating_sub(self.aging.counted.get()) >= allowance(Priority::Normal) {
            self.aging.counted_before.set(self.aging.counted.replace(now));
            for (queue, (old, overdue)) in self.aging.old.iter().zip(&self.aging.overdue).enumerate() {
                let len = self.fresh_len(queue);
                overdue.set(old.replace(len).min(len));
            }
        }
    }

    fn fresh_len(&self, queue: usize) -> usize {
        match queue {
            0 => self.fresh_local.borrow().len(),
            1 => self.fresh.len(),
            _ => self.bound.as_ref().map_or(0, |bound| bound.len()),
        }
    }

    /// Runs the fiber that is due first, of any priority. `false` if there is none, or if normal fresh ones are due before it.
    #[cold]
    pub(super) fn run_earliest(&self) -> bool {
        match self.earliest(true) {
            Some((due, place)) if due <= self.fresh_due() || !self.has_fresh() => {
                self.run_at(due, place);
                true
            }
            _ => false,
        }
    }

    /// When normal fresh fibers are due, unless they are overdue.
    fn fresh_due(&self) -> u64 {
        due(Priority::Normal, self.now.get())
    }

    /// Runs a fiber that is due before the normal fresh ones, if there is one. They have their part of each turn, after the normal ones that
    /// are ready.
    #[cold]
    pub(super) fn run_before_fresh(&self) -> bool {
        match self.earliest(false) {
            Some((due, place)) if due <= self.fresh_due() => {
                self.run_at(due, place);
                true
            }
            _ => false,
        }
    }

    /// Whether there is nothing to run but what can wait: then others' work goes first.
    pub(super) fn is_patient(&self) -> bool {
        !self.has_fresh() && self.earliest(true).is_some_and(|(due, _)| due > self.fresh_due())
    }

    fn earliest(&self, with_ready: bool) -> Option<(u64, Place)> {
        let mut earliest = None;
        let mut consider = |due: Option<u64>, place: Place| {
            if let Some(due) = due
                && earliest.is_none_or(|(first, _)| due < first)
            {
                earliest = Some((due, place));
            }
        };
        consider(self.lines.continuation_due(), Place::Continuation);
        for priority in ALL {
            if priority == Priority::Normal {
                if with_ready && !self.ready.is_empty() {
                    let at = self.lines.dates.of_head(&self.ready).unwrap_or(self.now.get());
                    consider(Some(due(priority, at)), Place::Ready);
                }
                if self.aging.overdue.iter().any(|overdue| overdue.get() > 0) {
                    // They were there then, so this is the latest that they can be due.
                    consider(Some(due(priority, self.aging.counted_before.get())), Place::Fresh);
                }
                continue;
            }
            consider(self.lines.first_due(priority), Place::Line(priority));
            if self.lines.sees_injected() {
                consider(self.scheduler.nodes.first_due(self.node, priority), Place::Injected(priority));
            }
        }
        if earliest.is_none() {
            // Others were faster.
            self.lines.see_injected(false);
        }
        earliest
    }

    /// Runs what is first in a place. It may be gone: then there is another choice to make.
    fn run_at(&self, due: u64, place: Place) {
        let fresh = match place {
            Place::Continuation => return self.resume_continuation(),
            Place::Ready => return self.resume_due(due, self.ready.pop().map(Entry::Started)),
            Place::Line(priority) => return self.resume_due(due, self.lines.pop(priority)),
            Place::Injected(priority) => self.scheduler.nodes.pop_of(self.node, priority),
            Place::Fresh => self.overdue_fresh(),
        };
        if let Some(fiber) = fresh {
            self.resume_due(due, Some(Entry::Fresh(fiber)));
        }
    }

    fn resume_continuation(&self) {
        if let Some((slot, Running { due, continued, .. })) = self.lines.pop_continuation() {
            let resumed = self.home.progress.resumed().wrapping_add(1);
            self.lines.running.set(Running { resumed, due, continued: continued + 1 });
            // SAFETY: slots are never unmapped.
            self.resume(unsafe { slot.as_ref() });
        }
    }

    /// Queues the running fiber, which yields because its time slice is used up. It is still due when it was, if that is known: then the
    /// choice was between priorities.
    pub(in crate::sched) fn enqueue_used_up(&self, slot: &Slot) {
        let running = self.lines.running.get();
        let keeps_place = running.resumed == self.home.progress.resumed() && running.continued < MOST_CONTINUATIONS;
        if !(keeps_place && self.lines.keep_place(slot, running)) {
            self.enqueue(slot);
        }
    }

    /// Whether anything is due before the running fiber.
    pub(in crate::sched) fn is_overtaken(&self, slot: &Slot) -> bool {
        if self.scheduler.nodes.has_others(self.node) {
            self.lines.see_injected(true);
        }
        if !self.lines.is_mixed() {
            return false;
        }
        let running = self.lines.running.get();
        let own = if running.resumed == self.home.progress.resumed() {
            running.due
        } else {
            // At the latest.
            due(slot.priority(), self.now.get())
        };
        self.earliest(true).is_some_and(|(due, _)| due < own)
    }

    fn resume_due(&self, due: u64, entry: Option<Entry>) {
        let resumed = self.home.progress.resumed().wrapping_add(1);
        self.lines.running.set(Running { resumed, due, continued: 0 });
        match entry {
            Some(Entry::Started(slot)) => {
                self.prefetch_later();
                // SAFETY: slots are never unmapped.
                self.resume(unsafe { slot.as_ref() });
            }
            Some(Entry::Fresh(fiber)) => self.start(fiber),
            None => (),
        }
    }

    /// The oldest fiber of a queue in which some are overdue.
    fn overdue_fresh(&self) -> Option<FiberRef> {
        let queue = self.aging.overdue.iter().position(|overdue| overdue.get() > 0)?;
        let fiber = match queue {
            0 => self.fresh_local.borrow_mut().pop_front(),
            1 => self.fresh.pop_oldest(),
            _ => self.scheduler.bound.get(self.index).and_then(|bound| bound.steal().success()),
        };
        let overdue = &self.aging.overdue[queue];
        // Thieves, too, take the oldest.
        overdue.set(if fiber.is_some() { overdue.get() - 1 } else { 0 });
        fiber
    }

    /// Starts fresh fibers: the newest first, because a tree of spawns then needs few live stacks; now and then the oldest.
    pub(super) fn start_fresh(&self) {
        self.home.progress.begin_batch(FRESH);
        while self.home.progress.has_next_of_batch() {
            if self.lines.is_mixed() && self.has_fresh() && self.run_before_fresh() {
                continue;
            }
            let Some((fiber, bounds)) = self.next_fresh() else { break };
            self.place(fiber, bounds);
        }
    }
}
