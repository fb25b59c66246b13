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
use super::scheduler::Stage;
use super::worker::Worker;
use crossbeam_deque::Steal;
use std::hint::spin_loop;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::Duration;

/// Fibers taken from a victim at once. More would only move the queue about: what is taken can be stolen again.
const BATCH: usize = 16;
/// Looks at the outside world before sleeping, a few microseconds in all: waking a parked processor costs tens.
const SPINS: u32 = 32;
/// How long nothing may happen before it is asked whether anything ever will: that looks at every thread of the process.
const REST: Duration = Duration::from_millis(10);

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
        if let Some(fiber) = self.scheduler.injector.pop() {
            self.stop_searching();
            self.start(fiber);
            return true;
        }
        let workers = self.scheduler.workers();
        if workers == 1 || (!self.searching.get() && !self.scheduler.idle.start_searching()) {
            return false;
        }
        self.searching.set(true);
        let first = self.choice.below(workers);
        for victim in (first..workers).chain(0..first).filter(|&victim| victim != self.index) {
            loop {
                match self.scheduler.stealers[victim].steal_batch_with_limit_and_pop(&self.fresh, BATCH) {
                    Steal::Success(fiber) => {
                        self.stop_searching();
                        self.start(fiber);
                        return true;
                    }
                    Steal::Empty => break,
                    Steal::Retry => spin_loop(),
                }
            }
        }
        false
    }

    /// Ends a search. The last searcher wakes the next if there is fresh work: whoever published it while this worker
    /// searched woke nobody.
    pub(super) fn stop_searching(&self) {
        if self.searching.replace(false) && self.scheduler.idle.stop_searching() {
            fence(SeqCst);
            if self.scheduler.has_fresh() {
                self.scheduler.wake_for_fresh();
            }
        }
    }

    fn park(&self) {
        self.driver.borrow_mut().arm_doorbell();
        self.home.sleep().fall_asleep();
        let last_searcher = self.scheduler.idle.fall_asleep(self.index, self.searching.replace(false));
        fence(SeqCst);
        if !self.work_appeared() {
            self.sleep();
        } else if last_searcher && self.scheduler.has_fresh() {
            // Published while this worker searched, so nobody was woken for it, and there may be more of it than this worker
            // will take. It may be this worker that is chosen.
            self.scheduler.wake_for_fresh();
        }
        self.home.sleep().wake_up();
        self.searching.set(self.scheduler.idle.wake_up(self.index));
    }

    /// The last look before sleep.
    fn work_appeared(&self) -> bool {
        !self.home.inbox().is_empty() || self.scheduler.has_fresh() || self.scheduler.stage() != self.seen_stage.get()
    }

    fn sleep(&self) {
        self.read_clock();
        let timer = self.timers.borrow().next_deadline();
        let quiet = timer.is_none() && self.driver.borrow().in_flight() == 0 && self.served.get() == 0;
        let trim = self.trim_stacks();
        let wake_at = [timer, trim].into_iter().flatten().min();
        let until = |now: u64| wake_at.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let sleep = |timeout| self.driver.borrow_mut().park(timeout, &mut |completion| self.complete(completion));
        if quiet && self.scheduler.begin_rest() {
            // Most rests end soon, by another thread or another runtime.
            let (begin, whole) = (self.now.get(), until(self.now.get()));
            sleep(Some(whole.map_or(REST, |whole| whole.min(REST))));
            // What rang may have been the last that the doorbell had in it.
            self.driver.borrow_mut().arm_doorbell();
            let now = clock::now();
            if Duration::from_nanos(now - begin) >= REST && !self.has_runnable() && !self.work_appeared() {
                (self.scheduler.settings.stalled)(&self.scheduler);
                sleep(until(now));
            }
        } else {
            sleep(until(self.now.get()));
        }
        if quiet {
            self.scheduler.end_rest();
        }
    }
}
