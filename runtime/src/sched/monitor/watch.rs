//! What the monitor thinks of one worker, from one look to the next. No clock and no thread: it is told both.

use crate::sched::progress::Sample;
use crate::sys::threads::Standing;

/// What a fiber may take, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of a fiber that has no time slice of its own.
    pub(super) slice: u64,
    /// After which it is reported; `None` if nothing is.
    pub(super) held: Option<u64>,
}

/// One worker.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The resumption that is going on.
    running: Option<Running>,
    /// How many turns and resumptions there had been at the last look, and at how many looks one after the other the turn was the
    /// same and the resumption another.
    turns: u32,
    resumed: u32,
    same_turn: u32,
}

#[derive(Debug)]
struct Running {
    resumed: u32,
    fiber: u64,
    /// When it was seen first. It may have begun up to a look earlier.
    since: u64,
    /// Whether it was asked to yield at the look before.
    asked: bool,
    /// When to ask next.
    ask_at: u64,
    /// How long to wait after a question that was not answered.
    patience: u64,
    /// When the thread was asked how it stands, at half of the limit and from then on.
    stood: Option<(u64, Standing)>,
    reported: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The fiber has to be asked to yield.
    pub(super) ask: bool,
    /// The question has to be taken back.
    pub(super) withdraw: bool,
    /// The fiber has held its worker for so long, and has to be reported.
    pub(super) held: Option<u64>,
}

/// Looks at the same turn after which it is long.
const LONG_TURN: u32 = 2;
/// The longest pause between two questions to a fiber without checkpoints, in slices.
const MOST_PATIENCE: u64 = 64;

impl Watch {
    /// Whether the worker's turn goes on and on: many fibers of which none takes long hold a worker too.
    pub(super) fn is_long_turn(&mut self, turns: u32, resumed: u32) -> bool {
        let goes_on = turns == self.turns && resumed != self.resumed;
        self.same_turn = if goes_on { self.same_turn + 1 } else { 0 };
        (self.turns, self.resumed) = (turns, resumed);
        self.same_turn >= LONG_TURN
    }

    /// A look, `now`, at what the worker is running. `standing` says how the worker's thread stands with the kernel: while it is ready and
    /// has no processor, it is not held by its fiber.
    pub(super) fn look(
        &mut self,
        sample: Option<Sample>,
        now: u64,
        limits: Limits,
        standing: impl FnOnce() -> Standing,
    ) -> Verdict {
        let same = |running: &&mut Running, sample: &Sample| {
            running.resumed == sample.resumed && running.fiber == sample.fiber.id
        };
        let slice = |sample: &Sample| match sample.fiber.slice {
            0 => limits.slice,
            own => u64::from(own) * 1000,
        };
        let (Some(running), Some(sample)) = (
            self.running.as_mut().filter(|running| sample.as_ref().is_some_and(|sample| same(running, sample))),
            sample,
        ) else {
            let before = self.running.take();
            self.running = sample.map(|sample| Running {
                resumed: sample.resumed,
                fiber: sample.fiber.id,
                since: now,
                asked: false,
                ask_at: now + slice(&sample),
                patience: slice(&sample),
                stood: None,
                reported: false,
            });
            // If it yielded because of the question, there is nothing to take back.
            return Verdict { withdraw: before.is_some_and(|before| before.asked), ..Verdict::default() };
        };
        let mut verdict = Verdict::default();
        if running.asked {
            // It is nowhere near a checkpoint; the others should not look for its question at each of theirs.
            verdict.withdraw = true;
            running.asked = false;
            running.ask_at = now + running.patience;
            running.patience = (running.patience * 2).min(slice(&sample) * MOST_PATIENCE);
        } else if now >= running.ask_at {
            verdict.ask = true;
            running.asked = true;
        }
        if let Some(limit) = limits.held.filter(|_| !running.reported) {
            let held = now.saturating_sub(running.since);
            match running.stood {
                None if held >= limit / 2 => {
                    running.stood = Some((now, standing()));
                    // If it is more, the monitor came late, perhaps because nobody ran at all.
                    running.since = now - limit / 2;
                }
                Some((then, before)) if held >= limit => {
                    let after = standing();
                    running.stood = Some((now, after));
                    running.since += kept_waiting(now - then, before, after);
                    let held = now.saturating_sub(running.since);
                    if held >= limit {
                        running.reported = true;
                        verdict.held = Some(held);
                    }
                }
                _ => (),
            }
        }
        verdict
    }
}

/// For how much of the time between them a thread waited for a processor.
fn kept_waiting(time: u64, before: Standing, after: Standing) -> u64 {
    if after.is_ready {
        // Its present wait has not been counted yet; what it has not run it has waited.
        time.saturating_sub(after.ran.saturating_sub(before.ran))
    } else {
        after.waited.saturating_sub(before.waited)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Priority;
    use crate::fiber::slot::{Observed, Phase};

    const MS: u64 = 1_000_000;
    const LIMITS: Limits = Limits { slice: 5 * MS, held: Some(25 * MS) };

    fn sample(resumed: u32, slice: u32) -> Option<Sample> {
        let (phase, priority) = (Phase::Running, Priority::Normal);
        let fiber =
            Observed { id: 7, task: None, phase, priority, reason: None, since: 0, site: None, slice, at: None };
        Some(Sample { resumed, fiber })
    }

    /// What is done at each of these moments, in ms, about a fiber that goes on and on.
    fn verdicts(slice: u32, moments: impl IntoIterator<Item = u64>) -> Vec<(u64, Verdict)> {
        let mut watch = Watch::default();
        let look = |at: u64| (at, watch.look(sample(1, slice), at * MS, LIMITS, Standing::default));
        moments.into_iter().map(look).filter(|(_, verdict)| *verdict != Verdict::default()).collect()
    }

    #[test]
    fn a_fiber_is_asked_after_its_slice_and_the_question_taken_back() {
        let ask = Verdict { ask: true, ..Verdict::default() };
        let withdraw = Verdict { withdraw: true, ..Verdict::default() };
        assert_eq!(verdicts(0, 0..20), [(5, ask), (6, withdraw), (11, ask), (12, withdraw)], "and then with patience");
        assert_eq!(verdicts(2000, 0..4), [(2, ask), (3, withdraw)], "a slice of its own");
    }

    #[test]
    fn a_fiber_that_is_resumed_again_begins_a_new_slice() {
        let mut watch = Watch::default();
        for at in 0..100 {
            let verdict = watch.look(sample(at as u32 / 4, 0), at * MS, LIMITS, Standing::default);
            assert_eq!(verdict, Verdict::default(), "at {at}");
        }
    }

    #[test]
    fn a_question_to_a_fiber_that_has_gone_is_taken_back() {
        for next in [sample(2, 0), None] {
            let mut watch = Watch::default();
            watch.look(sample(1, 0), 0, LIMITS, Standing::default);
            assert!(watch.look(sample(1, 0), 5 * MS, LIMITS, Standing::default).ask);
            assert!(watch.look(next, 6 * MS, LIMITS, Standing::default).withdraw);
        }
    }

    #[test]
    fn a_turn_of_many_fibers_is_long_when_it_was_seen_to_go_on_twice() {
        let mut watch = Watch::default();
        let seen = |(turns, resumed)| watch.is_long_turn(turns, resumed);
        let long: Vec<_> = [(1, 5), (1, 6), (1, 7), (1, 8), (2, 9), (2, 9), (2, 9)].into_iter().map(seen).collect();
        assert_eq!(long, [false, false, true, true, false, false, false]);
    }

    #[test]
    fn a_held_worker_is_reported_once() {
        let reports: Vec<_> =
            verdicts(0, 0..200).into_iter().filter_map(|(at, verdict)| Some((at, verdict.held?))).collect();
        assert_eq!(reports, [(26, 25 * MS + MS / 2)]);
    }

    #[test]
    fn a_stop_of_the_process_is_not_held_against_a_fiber() {
        assert!(verdicts(0, (0..5).chain(9000..9012)).iter().all(|(_, verdict)| verdict.held.is_none()));
        let held: Vec<_> =
            verdicts(0, (0..5).chain(9000..9020)).into_iter().filter_map(|(at, v)| v.held.map(|_| at)).collect();
        assert_eq!(held, [9013], "half of the limit later");
    }

    #[test]
    fn a_thread_that_the_kernel_does_not_run_is_not_held() {
        let mut watch = Watch::default();
        // It has its processor half of the time, which is looked at when half of the limit has passed.
        let half = |at: u64| Standing { ran: at * MS / 2, waited: 0, is_ready: true };
        let reported = (0..400).find(|&at| watch.look(sample(1, 0), at * MS, LIMITS, || half(at)).held.is_some());
        assert_eq!(reported, Some(38));
        let mut watch = Watch::default();
        let never = Standing { is_ready: true, ..Standing::default() };
        assert!((0..400).all(|at| watch.look(sample(1, 0), at * MS, LIMITS, || never).held.is_none()));
    }
}
