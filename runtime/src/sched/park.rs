//! What a worker does when it has nothing to do: search, spin, sleep.
//!
//! The order of a sleep, which loses no wake:
//!
//! 1. The doorbell is armed (a multishot poll can end).
//! 2. "Asleep" is published, to producers of wakes (`Sleep`) and of fresh fibers (`Idle`), each with a sequentially consistent
//!    fence between its own write and its read.
//! 3. Everything that could give this worker work is looked at once more.
//! 4. The driver waits, for a completion, the doorbell, or the next timer.

use super::clock;
use super::monitor;
use super::rings::{Nearness, Ring, due};
use super::scheduler::Stage;
use super::worker::Worker;
use crate::fiber::record::FiberRef;
use crossbeam_deque::{Steal, Stealer};
use std::hint::spin_loop;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::Duration;

/// Looks at the outside world before sleeping, a few microseconds in all: waking a parked processor costs tens.
const SPINS: u32 = 32;
/// How long nothing may happen before it is asked whether anything ever will: that looks at every thread of the process.
const REST: Duration = Duration::from_millis(10);
/// It is asked so many times in a row, with such pauses: a thread that might have woken a fiber may itself wait for one by then.
const ASKS: u32 = 3;
const BETWEEN_ASKS: Duration = Duration::from_secs(1);

impl Worker {
    /// Finds something to run, or sleeps until there may be something.
    pub(super) fn find_work(&self) {
        if self.search() {
            return;
        }
        if self.scheduler.end_if_empty() {
            self.stop_searching();
            self.seen_stage.set(Stage::Ended);
            return;
        }
        if self.has_left_some() {
            // For a moment: if it is still there then, this worker takes it. What others left to this one, they may look for.
            self.stop_searching();
            self.submit();
            return;
        }
        for _ in 0..SPINS {
            spin_loop();
            if !self.home.inbox().is_empty() || self.driver.borrow().has_completions() {
                return self.stop_searching();
            }
        }
        self.park();
    }

    /// Takes a fresh fiber from outside or from another worker and runs it.
    fn search(&self) -> bool {
        if let Some(fiber) = self.scheduler.nodes.pop(self.node, self.home.progress.turns().is_multiple_of(2)) {
            self.misses.set(0);
            self.stop_searching();
            self.place(fiber, self.bounds_of_node());
            return true;
        }
        if self.take_in_roaming() {
            self.misses.set(0);
            self.stop_searching();
            return true;
        }
        self.steal()
    }

    /// Takes fresh fibers from other workers and runs one.
    pub(super) fn steal(&self) -> bool {
        let rings = &self.scheduler.nodes.plan.rings[self.index];
        if rings.is_empty() || (!self.searching.get() && !self.scheduler.idle.start_searching(self.node)) {
            return false;
        }
        self.searching.set(true);
        let misses = self.misses.get();
        for ring in due(rings, misses) {
            if let Some(fiber) = self.steal_in(ring) {
                // What came with it is in the own queues, which were empty.
                let taken = 1 + self.fresh.len() + self.bound.as_ref().map_or(0, |bound| bound.len());
                self.home.count_stolen(ring.nearness, taken as u64);
                self.misses.set(0);
                self.stop_searching();
                self.start(fiber);
                return true;
            }
            if self.steal_roaming(ring) {
                self.misses.set(0);
                self.stop_searching();
                return true;
            }
        }
        self.misses.set(misses.saturating_add(1));
        false
    }

    /// Takes fibers of a ring into the own queues, and the first of them.
    fn steal_in(&self, ring: &Ring) -> Option<FiberRef> {
        let first = self.choice.below(ring.workers.len());
        let (before, after) = ring.workers.split_at(first);
        for &victim in after.iter().chain(before) {
            if self.leaves_to(victim) {
                continue;
            }
            if let Some(fiber) = steal(&self.scheduler.stealers[victim], self.fresh.shared(), ring.batch) {
                return Some(fiber);
            }
            if ring.nearness != Nearness::Remote
                && let (Some(victim), Some(own)) = (self.scheduler.bound.get(victim), &self.bound)
                && let Some(fiber) = steal(victim, own, ring.batch)
            {
                return Some(fiber);
            }
        }
        ring.nodes.iter().find_map(|&node| self.scheduler.nodes.pop_elsewhere(node))
    }

    /// Ends a search. The last searcher wakes the next if there is fresh work: whoever published it while this worker
    /// searched woke nobody.
    pub(super) fn stop_searching(&self) {
        if self.searching.replace(false) && self.scheduler.idle.stop_searching(self.node) {
            self.scheduler.search_ended(self.node);
        }
    }

    /// Starts the operations that fibers have asked for, as a sleep would.
    fn submit(&self) {
        self.driver.borrow_mut().turn(&mut |completion| self.complete(completion));
    }

    fn park(&self) {
        self.driver.borrow_mut().arm_doorbell();
        self.home.sleep().fall_asleep();
        let last = self.scheduler.idle.fall_asleep(self.index, self.searching.replace(false));
        fence(SeqCst);
        let mut timer_due = false;
        if !self.work_appeared() {
            self.home.count_sleep();
            timer_due = self.sleep();
            // Whoever was woken was woken because nobody nearer was idle.
            self.misses.set(u32::MAX);
        } else if last {
            // Published while this worker searched, so nobody was woken for it, and there may be more of it than this worker
            // will take. It may be this worker that is chosen.
            self.scheduler.search_ended(self.node);
        }
        self.home.sleep().wake_up();
        self.searching.set(self.scheduler.idle.wake_up(self.index));
        monitor::worker_woke();
        if timer_due {
            self.fire_for_sleep();
        }
    }

    /// The last look before sleep.
    fn work_appeared(&self) -> bool {
        !self.home.inbox().is_empty()
            || self.scheduler.has_fresh_for(self.node)
            || !self.home.errands().is_empty()
            || !self.home.requests().is_empty()
            || self.scheduler.stage() != self.seen_stage.get()
    }

    /// Fires the timers that were due when the worker woke, and takes note of what is left for [`Pace`](super::pace::Pace).
    fn fire_for_sleep(&self) {
        self.fire_timers();
        let next = self.timers.borrow().next_deadline();
        self.pace.set(self.pace.get().woke(self.now.get(), next));
    }

    /// Waits in the driver. Whether a timer was due when that ended.
    fn sleep(&self) -> bool {
        self.set_clock(clock::now());
        let (deadline, set) = {
            let timers = self.timers.borrow();
            (timers.next_deadline(), timers.len())
        };
        let timer = deadline.map(|deadline| self.pace.get().wake_at(deadline, set));
        let quiet = timer.is_none() && self.driver.borrow().in_flight() == 0 && self.served.get() == 0;
        let trim = self.trim_stacks();
        let wake_at = [timer, trim].into_iter().flatten().min();
        let mut limit = None;
        if quiet && self.scheduler.begin_rest() {
            let patience = if self.rested.get() {
                (self.scheduler.settings.stalled)(&self.scheduler);
                self.asked.set(self.asked.get() + 1);
                (self.asked.get() < ASKS).then_some(BETWEEN_ASKS)
            } else {
                // Most rests end soon, by another thread or another runtime. If this one does not, the worker lies down once more,
                // with all that belongs to it, and asks.
                self.asked.set(0);
                Some(REST)
            };
            limit = patience.map(|patience| self.now.get() + clock::nanoseconds(patience));
        }
        let wake_at = [wake_at, limit].into_iter().flatten().min();
        let timeout = wake_at.map(|at| Duration::from_nanos(at.saturating_sub(self.now.get())));
        let begin = self.now.get();
        self.publish_rest(true);
        self.driver.borrow_mut().park(timeout, &mut |completion| self.complete(completion));
        // The turn begins now: it does not answer for the sleep.
        self.set_clock(clock::now());
        // At once: what it runs next may hold it.
        self.publish_rest(false);
        self.count_slept(self.now.get() - begin);
        self.rested.set(limit.is_some_and(|limit| self.now.get() >= limit));
        if quiet {
            self.scheduler.end_rest();
        }
        deadline.is_some_and(|deadline| deadline <= self.now.get())
    }
}

/// Takes the oldest fibers of another worker's queue into one's own, half of them and so many at most, and the first of them.
fn steal(victim: &Stealer<FiberRef>, own: &crossbeam_deque::Worker<FiberRef>, most: usize) -> Option<FiberRef> {
    loop {
        match victim.steal_batch_with_limit_and_pop(own, most) {
            Steal::Success(fiber) => return Some(fiber),
            Steal::Empty => return None,
            Steal::Retry => spin_loop(),
        }
    }
}
