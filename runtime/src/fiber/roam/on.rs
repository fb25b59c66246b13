//! With the feature `migrate`.
#![deny(unsafe_code)]

use super::course::Course;
use crate::fiber::record::Own;
use crate::fiber::slot::Slot;
use std::cell::Cell;
use std::panic::Location;

/// What a fiber carries that may move.
pub(crate) struct Roam {
    is_migratable: bool,
    pub(crate) course: Course,
    /// The place of the node whose workers alone may run it, if there is one. Written before it is queued for the first time.
    pub(crate) bound: Cell<Option<usize>>,
    /// The worker that ran it last. Touched by whoever has the fiber.
    pub(crate) last: Cell<Option<usize>>,
}

impl Roam {
    pub(crate) fn new(is_migratable: bool) -> Roam {
        Roam { is_migratable, course: Course::new(), bound: Cell::new(None), last: Cell::new(None) }
    }

    /// Whether its spawner vouched that it may move.
    #[inline]
    pub(crate) fn is_migratable(&self) -> bool {
        self.is_migratable
    }

    /// Whether it has not run yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.course.is_fresh()
    }

    /// Notes that only workers of one node may run it. By its spawner.
    pub(crate) fn bind(&self, node: usize) {
        self.bound.set(Some(node));
    }
}

/// What ties a fiber to its worker. Touched by that worker alone, or by whoever has the fiber.
#[derive(Default)]
pub(crate) struct Ties {
    /// Timers, operations in flight, and what else has the worker's address.
    count: Cell<u32>,
    /// Whether it has something of which nobody can say when it is gone.
    is_pinned: Cell<bool>,
    /// Of the marked values that are alive, how many, and the last: what it is and where it was made. Builds with debug assertions only.
    marks: Cell<(u32, Option<Mark>)>,
}

/// A value that must not change threads.
pub(crate) type Mark = (&'static str, &'static Location<'static>);

impl Ties {
    /// Something of the fiber is registered with its worker.
    #[inline]
    pub(crate) fn tie(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// It is no more.
    #[inline]
    pub(crate) fn untie(&self) {
        self.count.set(self.count.get() - 1);
    }

    /// A value is alive that must not change threads, and does not keep the fiber from doing so.
    pub(crate) fn note(&self, what: &'static str, site: &'static Location<'static>) {
        self.marks.set((self.marks.get().0 + 1, Some((what, site))));
    }

    /// One such value is gone.
    pub(crate) fn forget(&self) {
        let (count, last) = self.marks.get();
        self.marks.set((count.saturating_sub(1), last));
    }

    /// The last of those that were made, if one is alive.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let (count, last) = self.marks.get();
        last.filter(|_| count > 0)
    }

    /// The fiber stays with its worker for good.
    #[inline]
    pub(crate) fn pin(&self) {
        self.is_pinned.set(true);
    }
}

impl Own {
    /// Whether the fiber has to go on at its worker.
    ///
    /// Also where it is being unwound, because the thread counts that, or was unwound by cancellation and has not been seen to be done with
    /// it; and since a coroutine was entered on it, because coroutines keep where their fiber's `no_suspend` sections are counted.
    #[inline]
    pub(crate) fn is_tied(&self) -> bool {
        self.ties.count.get() > 0
            || self.ties.is_pinned.get()
            || self.taken_slot().is_some_and(Slot::has_coroutines)
            || self.unwinding.get()
            || self.raised.get()
    }
}
