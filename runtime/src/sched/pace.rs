//! How often a worker wakes for timers that come due one shortly after the other.
//!
//! A sleep that a timer ends costs some ten microseconds of processor time, most of them the kernel's: to set its clock, to give the
//! processor away, to take it back. A worker with a hundred thousand sleepers that woke for each of them did little else. So while many timers
//! come due in quick succession, a sleep that is to be ended by a timer lasts until [`APART`] after the wake before it, and the worker fires
//! together what came due meanwhile. Completions and wakes by others end it at once as ever.
//!
//! Where there is nothing to be gained by it, timers keep their precision:
//!
//! - Timers that are [`APART`] apart or more are fired as if this were not here: the sleep would have lasted as long.
//! - Where one fiber alone sleeps for short times, again and again, nothing can be fired together with its timer. It shows in that no
//!   other timer is near when its own is fired ([`Pace::woke`]); one that is far, such as the time limit of a connection, does not count.
//! - Fewer than [`MANY`] timers are never held back.
//!
//! # Rejected
//!
//! - *Slack in each timer*, as the kernel has it (prctl(2), `PR_SET_TIMERSLACK`): it gives up precision also where nothing is gained, since a sleep
//!   that is alone cannot be told from one in a crowd when it begins.
//! - *Ticks*, wakes at multiples of a time: all workers of a machine would wake at once.
//! - *To hold back at once*: two timers that happen to be near each other, and then none for long, are no load.

/// Nanoseconds between two wakes for timers of a crowd. Measured with 100,000 timers spread over a second (`fiber-bench timers`, a virtual machine),
/// in seconds of processor time and microseconds of lateness at the median: 0: 1.26, 34; 50,000: 1.10, 62; 100,000: 0.94, 102;
/// 150,000: 0.88, 112; 200,000: 0.87, 136; 250,000: 0.86, 157; 500,000: 0.83, 251. So most of what can be saved is saved by 200 us.
const APART: u64 = 200_000;

/// Timers that are set while a sleep for one of them may be held back.
const MANY: usize = 32;

/// Wakes in a row that find the next timer near, before sleeps are held back.
const ROW: u8 = 4;

/// What a worker remembers of its wakes for timers.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    /// When the last of them was.
    woke: u64,
    /// How many in a row found the next timer near, up to [`ROW`].
    row: u8,
}

impl Pace {
    /// When to wake for the next of `set` timers, which is due at `deadline`. Never before that.
    #[inline]
    pub(super) fn wake_at(self, deadline: u64, set: usize) -> u64 {
        if self.row >= ROW && set >= MANY { deadline.max(self.woke.saturating_add(APART)) } else { deadline }
    }

    /// A sleep ended at `now` with a timer due. When all were fired that were, and before a fiber could set another, the next one was due at `next`.
    #[inline]
    pub(super) fn woke(self, now: u64, next: Option<u64>) -> Pace {
        let near = next.is_some_and(|next| next < now.saturating_add(APART));
        Pace { woke: now, row: if near { (self.row + 1).min(ROW) } else { 0 } }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const US: u64 = 1000;

    /// When a worker wakes that does nothing but sleep until the next of these timers, all set from the beginning, and `far` others.
    fn wakes(timers: impl Iterator<Item = u64> + Clone, far: usize) -> Vec<u64> {
        let (mut pace, mut now, mut wakes) = (Pace::default(), 0, Vec::new());
        let next = |now: u64| timers.clone().filter(|&timer| timer > now).min();
        while let Some(deadline) = next(now) {
            let set = far + timers.clone().filter(|&timer| timer > now).count();
            now = pace.wake_at(deadline, set);
            assert!(now >= deadline, "early");
            wakes.push(now);
            pace = pace.woke(now, next(now));
        }
        wakes
    }

    #[test]
    fn a_crowd_is_woken_for_now_and_then() {
        let wakes = wakes((1..=1000).map(|n| n * 10 * US), MANY);
        assert!(wakes[..4].iter().copied().eq((1..=4).map(|n| n * 10 * US)), "the first ones exactly");
        assert!(wakes[4..].windows(2).all(|pair| pair[1] - pair[0] == APART), "{wakes:?}");
        assert!(*wakes.last().unwrap() < 1000 * 10 * US + APART);
    }

    #[test]
    fn timers_that_are_apart_are_exact() {
        let timers = (1..=1000).map(|n| n * APART);
        assert_eq!(wakes(timers.clone(), 1000), timers.collect::<Vec<_>>());
    }

    #[test]
    fn timers_in_small_groups_are_exact() {
        // Four near each other, each millisecond.
        let timers = (1..=1000).map(|n| n / 4 * 1000 * US + n % 4 * 10 * US);
        assert_eq!(wakes(timers.clone(), 1000), timers.collect::<Vec<_>>());
    }

    #[test]
    fn few_timers_are_exact() {
        let timers = (1..MANY as u64).map(|n| n * 10 * US);
        assert_eq!(wakes(timers.clone(), 0), timers.collect::<Vec<_>>());
    }

    #[test]
    fn a_fiber_that_sleeps_alone_is_exact() {
        let (mut pace, mut now) = (Pace::default(), 0);
        let far = 3_600_000_000 * US;
        for _ in 0..1000 {
            // It sets its timer after it woke, so that only the far ones were seen then.
            let deadline = now + 10 * US;
            assert_eq!(pace.wake_at(deadline, 1000), deadline);
            now = deadline;
            pace = pace.woke(now, Some(far));
        }
    }

    #[test]
    fn after_a_crowd_a_sleep_is_exact_again() {
        let mut pace = Pace::default();
        for n in 1..=10 {
            pace = pace.woke(n * APART, Some(n * APART + US));
        }
        assert_eq!(pace.wake_at(10 * APART + US, MANY), 11 * APART);
        assert_eq!(pace.wake_at(10 * APART + US, MANY - 1), 10 * APART + US, "most were cancelled");
        assert_eq!(pace.wake_at(20 * APART, MANY), 20 * APART, "the next one is far");
        let pace = pace.woke(20 * APART, Some(30 * APART));
        assert_eq!(pace.wake_at(20 * APART + US, MANY), 20 * APART + US);
        let pace = pace.woke(21 * APART, None);
        assert_eq!(pace.wake_at(u64::MAX, MANY), u64::MAX);
    }
}
