//! How a worker gets on: what it notes for the monitor, and what the monitor asks of it.
//!
//! The worker writes a few words at each resumption, plainly, on a cache line that nobody else writes but to end a turn that is
//! too long. The monitor reads them now and then. It acts on a fiber only after it has seen the same resumption twice, so it does not matter that it may read one
//! word of a resumption and the other of the next.

use super::home::Home;
use super::slice;
use crate::fiber::slot::{Observed, Phase, Slot};
use crate::sys::threads;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64};

/// The shared record of one worker's progress.
pub(crate) struct Progress {
    latest: Latest,
    /// Whether the running fiber is asked to yield.
    asked: AtomicBool,
    /// The latest resumption that has used up its time slice. Written by the monitor.
    used_up: AtomicU32,
    /// The worker's thread, as the kernel numbers it.
    thread: AtomicI32,
    /// Timers and completions that were served late because a fiber held the worker. Written by the worker.
    late: AtomicU64,
    /// How often a fiber yielded because it was asked to. Written by the worker.
    expired: AtomicU64,
    /// How often a fiber held the worker for longer than the limit. Written by the monitor.
    held: AtomicU64,
}

/// The fiber that was resumed last, and the turn in which it was.
#[repr(align(64))]
struct Latest {
    slot: AtomicPtr<Slot>,
    resumed: AtomicU32,
    /// How many turns have ended. It wraps.
    turns: AtomicU32,
    /// With which resumption the batch ends, after which the worker looks at everything else. The monitor brings it forward.
    batch_end: AtomicU32,
}

/// A fiber that a worker is running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The number of the resumption, which wraps.
    pub(crate) resumed: u32,
    pub(crate) fiber: Observed,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            latest: Latest {
                slot: AtomicPtr::new(ptr::null_mut()),
                resumed: AtomicU32::new(0),
                turns: AtomicU32::new(0),
                batch_end: AtomicU32::new(0),
            },
            asked: AtomicBool::new(false),
            used_up: AtomicU32::new(u32::MAX),
            thread: AtomicI32::new(0),
            late: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            held: AtomicU64::new(0),
        }
    }

    /// The calling thread is the worker from now on.
    pub(crate) fn begin(&self) {
        self.thread.store(threads::current(), Relaxed);
        self.late.store(0, Relaxed);
        self.expired.store(0, Relaxed);
        self.held.store(0, Relaxed);
        self.withdraw();
    }

    /// A fiber is about to be resumed. By the worker.
    #[inline(always)]
    pub(crate) fn resume(&self, slot: &Slot) {
        self.latest.slot.store(ptr::from_ref(slot).cast_mut(), Relaxed);
        self.latest.resumed.store(self.resumed().wrapping_add(1), Release);
    }

    /// Up to so many fibers are going to be resumed. By the worker.
    #[inline]
    pub(crate) fn begin_batch(&self, most: u32) {
        self.latest.batch_end.store(self.resumed().wrapping_add(most), Relaxed);
    }

    /// Whether one more of the batch may be resumed. By the worker.
    #[inline(always)]
    pub(crate) fn has_next_of_batch(&self) -> bool {
        // The difference, because both wrap.
        self.latest.batch_end.load(Relaxed).wrapping_sub(self.resumed()).cast_signed() > 0
    }

    /// One of the batch is not resumed here after all. By the worker.
    pub(crate) fn skip_one_of_batch(&self) {
        // The monitor may bring the end forward meanwhile, and that stays.
        self.latest.batch_end.fetch_sub(1, Relaxed);
    }

    /// The batch ends with the fiber that is running. By the worker or the monitor.
    pub(crate) fn end_batch(&self) {
        let resumed = self.resumed();
        if self.latest.batch_end.load(Relaxed) != resumed {
            self.latest.batch_end.store(resumed, Relaxed);
        }
    }

    /// Whether that is the latest resumption.
    pub(crate) fn is_resumption(&self, resumed: u32) -> bool {
        self.resumed() == resumed
    }

    /// How many resumptions there were. It wraps.
    #[inline(always)]
    pub(crate) fn resumed(&self) -> u32 {
        self.latest.resumed.load(Relaxed)
    }

    /// A turn has ended; how many have so far. By the worker.
    pub(crate) fn end_turn(&self) -> u32 {
        let turns = self.turns().wrapping_add(1);
        self.latest.turns.store(turns, Relaxed);
        turns
    }

    /// How many turns have ended.
    pub(crate) fn turns(&self) -> u32 {
        self.latest.turns.load(Relaxed)
    }

    /// The fiber that the worker with this home, which is one of these, is running, if it runs one.
    pub(crate) fn sample(&self, homes: &[&'static Home], home: &Home) -> Option<Sample> {
        let resumed = self.latest.resumed.load(Acquire);
        let slot = self.latest.slot.load(Relaxed);
        let elsewhere = || homes.iter().find_map(|home| home.slots.observe_one(slot));
        // A fiber that moved has its slot where it started.
        let moved = || if cfg!(feature = "migrate") { elsewhere() } else { None };
        let fiber = home.slots.observe_one(slot).or_else(moved)?;
        (fiber.phase == Phase::Running).then_some(Sample { resumed, fiber })
    }

    /// The worker's thread, as the kernel numbers it.
    pub(crate) fn thread(&self) -> i32 {
        self.thread.load(Relaxed)
    }

    /// Asks the fiber that runs since this resumption to yield. By the monitor.
    pub(crate) fn ask(&self, resumed: u32) {
        self.used_up.store(resumed, Relaxed);
        if !self.asked.swap(true, AcqRel) {
            slice::one_is_asked();
        }
    }

    /// Takes the question back, if it was not answered. `true` if so.
    pub(crate) fn withdraw(&self) -> bool {
        let open = self.asked.load(Relaxed) && self.asked.swap(false, AcqRel);
        if open {
            slice::one_is_answered();
        }
        open
    }

    /// Whether the running fiber has used up its time slice. By the worker.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used_up.load(Relaxed) == self.resumed()
    }

    /// A fiber yields because it was asked to. By the worker.
    pub(crate) fn count_expired(&self) {
        self.expired.store(self.expired.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    /// A fiber has held the worker for longer than the limit. By the monitor.
    pub(crate) fn count_held(&self) {
        self.held.store(self.held.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// So many timers and completions were served late. By the worker.
    pub(crate) fn count_late(&self, events: u64) {
        self.late.store(self.late.load(Relaxed) + events, Relaxed);
    }

    pub(crate) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }
}
