//! A worker's own queues for fibers whose priority is not the ordinary one, and what else it has to know to choose between them.

use super::{ALL, Dates, due};
use crate::Priority;
use crate::fiber::record::FiberRef;
use crate::fiber::slot::Slot;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;

/// What waits in a line.
pub(in crate::sched) enum Entry {
    Started(NonNull<Slot>),
    /// To be started by this worker alone.
    Fresh(FiberRef),
}

/// Which fiber was resumed because it was due first.
#[derive(Clone, Copy, Default)]
pub(in crate::sched) struct Running {
    /// The number of the resumption.
    pub(in crate::sched) resumed: u32,
    pub(in crate::sched) due: u64,
    /// How many time slices it has used before, one after the other.
    pub(in crate::sched) continued: u32,
}

/// Touched by the worker alone.
#[derive(Default)]
pub(in crate::sched) struct Lines {
    /// How many wait in the lines, plus one if the worker is to look at its node's injectors.
    count: Cell<usize>,
    sees_injected: Cell<bool>,
    /// In the order of [`ALL`]; those of the normal priority are elsewhere.
    lines: [RefCell<VecDeque<(u64, Entry)>>; ALL.len()],
    /// Of the ready queue.
    pub(in crate::sched) dates: Dates,
    pub(in crate::sched) running: Cell<Running>,
    /// A fiber that yielded because its time slice was used up, and keeps its place.
    continuing: Cell<Option<(NonNull<Slot>, Running)>>,
}

fn index(priority: Priority) -> usize {
    ALL.len() - 1 - priority as usize
}

impl Lines {
    /// Whether there is anything, or may be, whose priority is not the ordinary one.
    #[inline(always)]
    pub(in crate::sched) fn is_mixed(&self) -> bool {
        self.count.get() != 0
    }

    /// Adds what became ready, or was spawned, `at`, and is not normal.
    #[cold]
    pub(in crate::sched) fn push(&self, priority: Priority, at: u64, entry: Entry) {
        self.lines[index(priority)].borrow_mut().push_back((at, entry));
        self.count.set(self.count.get() + 1);
    }

    /// Takes the first out of the line of this priority.
    pub(in crate::sched) fn pop(&self, priority: Priority) -> Option<Entry> {
        let (_, entry) = self.lines[index(priority)].borrow_mut().pop_front()?;
        self.count.set(self.count.get() - 1);
        Some(entry)
    }

    /// Takes a started fiber out of the line of this priority; `false` if it is not there.
    pub(in crate::sched) fn remove(&self, priority: Priority, slot: &Slot) -> bool {
        let mut line = self.lines[index(priority)].borrow_mut();
        let is_it =
            |(_, entry): &(u64, Entry)| matches!(entry, Entry::Started(started) if *started == NonNull::from(slot));
        let found = line.iter().position(is_it).and_then(|place| line.remove(place)).is_some();
        self.count.set(self.count.get() - usize::from(found));
        found
    }

    /// When the first in the line of this priority is due.
    pub(in crate::sched) fn first_due(&self, priority: Priority) -> Option<u64> {
        self.lines[index(priority)].borrow().front().map(|&(at, _)| due(priority, at))
    }

    /// Lets the running fiber keep its place; `false` if another has kept its own.
    pub(in crate::sched) fn keep_place(&self, slot: &Slot, running: Running) -> bool {
        if self.continuing.get().is_some() {
            return false;
        }
        self.continuing.set(Some((slot.into(), running)));
        self.count.set(self.count.get() + 1);
        true
    }

    /// When the fiber is due that kept its place.
    pub(in crate::sched) fn continuation_due(&self) -> Option<u64> {
        self.continuing.get().map(|(_, running)| running.due)
    }

    pub(in crate::sched) fn pop_continuation(&self) -> Option<(NonNull<Slot>, Running)> {
        let continuing = self.continuing.take()?;
        self.count.set(self.count.get() - 1);
        Some(continuing)
    }

    /// Whether the worker is to look at the injectors of its node.
    pub(in crate::sched) fn sees_injected(&self) -> bool {
        self.sees_injected.get()
    }

    /// Notes whether they have anything that is not normal.
    #[inline]
    pub(in crate::sched) fn see_injected(&self, sees: bool) {
        if self.sees_injected.get() != sees {
            self.sees_injected.set(sees);
            self.count.set(if sees { self.count.get() + 1 } else { self.count.get() - 1 });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::allowance;
    use super::*;

    #[test]
    fn each_priority_has_its_line() {
        let lines = Lines::default();
        assert!(!lines.is_mixed());
        let slot = NonNull::<Slot>::dangling();
        for (at, priority) in [(7, Priority::High), (7, Priority::Idle), (8, Priority::High)] {
            lines.push(priority, at, Entry::Started(slot));
        }
        assert_eq!(lines.first_due(Priority::High), Some(7 + allowance(Priority::High)));
        assert_eq!(lines.first_due(Priority::Idle), Some(7 + allowance(Priority::Idle)));
        assert_eq!(lines.first_due(Priority::Low), None);
        assert!(lines.pop(Priority::High).is_some());
        assert_eq!(lines.first_due(Priority::High), Some(8 + allowance(Priority::High)));
        assert!(lines.pop(Priority::High).is_some() && lines.pop(Priority::High).is_none());
        assert!(lines.is_mixed());
        assert!(lines.pop(Priority::Idle).is_some());
        assert!(!lines.is_mixed());
    }

    #[test]
    fn what_injectors_have_counts_once() {
        let lines = Lines::default();
        lines.see_injected(true);
        lines.see_injected(true);
        assert!(lines.is_mixed());
        lines.see_injected(false);
        assert!(!lines.is_mixed());
    }

    #[test]
    fn the_more_urgent_is_due_earlier() {
        assert!(ALL.windows(2).all(|pair| pair[0] > pair[1] && due(pair[0], 5) < due(pair[1], 5)));
        assert_eq!(ALL.map(index), [0, 1, 2, 3]);
    }
}
