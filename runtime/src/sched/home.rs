//! What the rest of the process may see of a worker.
//!
//! Homes are leaked and recycled, never freed: a wake that arrives late, even after its runtime is gone, touches a home that
//! is closed or that serves another worker by now, and does nothing there.

use super::delayed::Request;
use super::inbox::{Inbox, Sleep};
use super::load::Load;
use super::lookout::{Errand, Errands};
use super::progress::Progress;
use super::rings::Nearness;
use super::roaming::Abroad;
use crate::driver::Doorbell;
use crate::fiber::record::FiberRef;
use crate::fiber::slot::SlotSlab;
use std::collections::HashMap;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The shared side of one worker.
#[repr(align(128))]
pub(crate) struct Home {
    inbox: Inbox,
    sleep: Sleep,
    /// What other threads ask about the lookouts that the worker keeps.
    errands: Errands<Errand>,
    /// What else they ask.
    requests: Errands<Request>,
    /// The worker's doorbell while it lives. A lock rather than an atomic: it is taken only to ring, next to a system call.
    doorbell: Mutex<Option<Doorbell>>,
    /// The state of the worker's started fibers.
    pub(crate) slots: SlotSlab,
    /// The names of started fibers that have one, for the dump.
    names: Mutex<HashMap<u64, Arc<str>>>,
    /// Fibers spawned on this worker and ended on it; each written by the worker alone. See `Scheduler::live`.
    spawned: AtomicU64,
    ended: AtomicU64,
    /// Fresh fibers in the queue of a worker that is alone, which thieves need not see. Written by the worker alone.
    kept: AtomicUsize,
    /// Of fibers that started here and may be elsewhere.
    pub(super) abroad: Abroad,
    /// What the monitor goes by.
    pub(crate) progress: Progress,
    /// Fresh fibers that the worker took from others, by `Nearness`, and how often it slept. Written by the worker alone.
    stolen: [AtomicU64; 4],
    sleeps: AtomicU64,
    /// Fresh fibers that the worker gave to others. Written by the worker alone.
    given: AtomicU64,
    /// What others go by who look for a worker with less to do.
    pub(crate) load: Load,
    /// The worker's clock, in `clock::COARSE` units, as of its last turn.
    pub(crate) coarse_now: AtomicU32,
}

static RETIRED: Mutex<Vec<&'static Home>> = Mutex::new(Vec::new());

impl Home {
    /// A home that nobody lives in, closed.
    pub(crate) fn acquire() -> &'static Home {
        let retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        retired.unwrap_or_else(|| {
            Box::leak(Box::new(Home {
                inbox: Inbox::closed(),
                sleep: Sleep::new(),
                errands: Errands::default(),
                requests: Errands::default(),
                doorbell: Mutex::new(None),
                slots: SlotSlab::new(),
                names: Mutex::default(),
                spawned: AtomicU64::new(0),
                ended: AtomicU64::new(0),
                kept: AtomicUsize::new(0),
                abroad: Abroad::new(),
                progress: Progress::new(),
                stolen: [const { AtomicU64::new(0) }; 4],
                sleeps: AtomicU64::new(0),
                given: AtomicU64::new(0),
                load: Load::new(),
                coarse_now: AtomicU32::new(0),
            }))
        })
    }

    /// Moves in. Called by the worker.
    pub(crate) fn open(&self, doorbell: Doorbell) {
        *self.doorbell.lock().unwrap_or_else(PoisonError::into_inner) = Some(doorbell);
        self.progress.begin();
        self.sleep.wake_up();
        // For a worker that lived here before.
        drop(self.errands.take());
        drop(self.requests.take());
        self.inbox.open();
    }

    /// Moves out. Called by the worker after its last fiber has ended.
    pub(crate) fn close(&self) {
        self.inbox.close();
        self.progress.withdraw();
        *self.doorbell.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Gives the home back. The worker has moved out, and nobody asks for its counts any more.
    pub(crate) fn retire(&'static self) {
        self.spawned.store(0, Relaxed);
        self.ended.store(0, Relaxed);
        self.kept.store(0, Relaxed);
        self.stolen.iter().chain([&self.sleeps, &self.given]).for_each(|count| count.store(0, Relaxed));
        self.load.reset();
        self.abroad.retire();
        RETIRED.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub(crate) fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    /// Asks the worker to look at one of its fibers.
    pub(crate) fn post(&self, fiber: FiberRef) {
        if self.inbox.post(fiber) {
            self.ring_if_asleep();
        }
    }

    /// The names of started fibers that have one.
    pub(crate) fn names(&self) -> MutexGuard<'_, HashMap<u64, Arc<str>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> &Errands<Request> {
        &self.requests
    }

    /// Asks something of the worker.
    pub(super) fn ask(&self, request: Request) {
        self.requests.leave(request);
        self.ring_if_asleep();
    }

    pub(super) fn errands(&self) -> &Errands<Errand> {
        &self.errands
    }

    /// Asks something of the worker about a lookout that it keeps.
    pub(super) fn leave(&self, errand: Errand) {
        self.errands.leave(errand);
        self.ring_if_asleep();
    }

    /// Wakes the worker if it sleeps, after the caller has published something for it.
    pub(crate) fn ring_if_asleep(&self) {
        if self.sleep.must_ring()
            && let Some(doorbell) = &*self.doorbell.lock().unwrap_or_else(PoisonError::into_inner)
        {
            doorbell.ring();
        }
    }

    /// Counts fibers that the worker spawned. By the worker.
    #[inline]
    pub(crate) fn count_spawned(&self) {
        self.spawned.store(self.spawned.load(Relaxed) + 1, Relaxed);
    }

    /// Counts a fiber that ended here. By the worker.
    #[inline]
    pub(crate) fn count_ended(&self) {
        self.ended.store(self.ended.load(Relaxed) + 1, Release);
    }

    /// Says how many fresh fibers the worker keeps to itself. By the worker.
    #[inline(always)]
    pub(super) fn set_kept(&self, fibers: usize) {
        self.kept.store(fibers, Release);
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.load(Acquire)
    }

    /// Counts fibers that the worker took from others. By the worker.
    pub(crate) fn count_stolen(&self, from: Nearness, fibers: u64) {
        let count = &self.stolen[from as usize];
        count.store(count.load(Relaxed) + fibers, Relaxed);
    }

    /// Counts a sleep. By the worker.
    pub(crate) fn count_sleep(&self) {
        self.sleeps.store(self.sleeps.load(Relaxed) + 1, Relaxed);
    }

    /// Counts a fresh fiber that the worker gave to another. By the worker.
    pub(crate) fn count_given(&self) {
        self.given.store(self.given.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn given(&self) -> u64 {
        self.given.load(Relaxed)
    }

    pub(crate) fn stolen(&self, from: Nearness) -> u64 {
        self.stolen[from as usize].load(Relaxed)
    }

    pub(crate) fn sleeps(&self) -> u64 {
        self.sleeps.load(Relaxed)
    }

    /// How often a started fiber came from another worker.
    pub(crate) fn migrated(&self) -> u64 {
        self.abroad.moved()
    }

    pub(crate) fn spawned(&self) -> u64 {
        self.spawned.load(Acquire)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Acquire)
    }
}
