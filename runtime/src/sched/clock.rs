//! The time that workers live by.
//!
//! Everything the scheduler knows of time goes through here, so that a virtual clock can take its place.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds of `CLOCK_MONOTONIC`, as [`Instant`] counts them on Linux.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the write; the clock exists on every Linux (clock_gettime(2)), so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let reading = time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned();
    #[cfg(all(test, not(loom)))]
    let reading = reading + SKIPPED.get();
    reading
}

#[cfg(all(test, not(loom)))]
thread_local! {
    static SKIPPED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Lets time pass for the calling thread: on a fiber, for its worker.
#[cfg(all(test, not(loom)))]
pub(crate) fn skip(time: Duration) {
    SKIPPED.set(SKIPPED.get() + nanoseconds(time));
}

/// The reading of the clock `after` from now; the far future saturates.
pub(crate) fn after(after: Duration) -> u64 {
    now().saturating_add(nanoseconds(after))
}

/// The reading of the clock at `instant`. The same for the same instant at any time, so deadlines keep their order.
pub(crate) fn at(instant: Instant) -> u64 {
    let (anchor, reading) = *anchor();
    match instant.checked_duration_since(anchor) {
        Some(later) => reading.saturating_add(nanoseconds(later)),
        None => reading.saturating_sub(nanoseconds(anchor - instant)),
    }
}

/// The instant of a reading: the inverse of [`at`]; `None` beyond what an [`Instant`] can say.
pub(crate) fn instant(reading: u64) -> Option<Instant> {
    let (anchor, at_anchor) = *anchor();
    match reading.checked_sub(at_anchor) {
        Some(later) => anchor.checked_add(Duration::from_nanos(later)),
        None => anchor.checked_sub(Duration::from_nanos(at_anchor - reading)),
    }
}

/// A moment in both forms. The reading is taken after the instant, so what is converted by it comes late by the time between
/// (some tens of nanoseconds: the closest of a few attempts is kept), never early.
fn anchor() -> &'static (Instant, u64) {
    static ANCHOR: OnceLock<(Instant, u64)> = OnceLock::new();
    ANCHOR.get_or_init(|| {
        let attempt = || {
            let begin = now();
            let instant = Instant::now();
            let reading = now();
            (reading - begin, (instant, reading))
        };
        (0..8).map(|_| attempt()).min_by_key(|&(took, _)| took).expect("eight attempts").1
    })
}

/// A duration in nanoseconds, saturated at 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock in units of 2^20 ns (about a millisecond), for what observers read. It wraps after 52 days; differences are
/// taken modulo 2^32.
pub(crate) fn coarse(now: u64) -> u32 {
    (now >> 20) as u32
}

/// How long a coarse reading lies behind another; zero if it does not.
pub(crate) fn coarse_between(earlier: u32, later: u32) -> Duration {
    let steps = later.wrapping_sub(earlier).cast_signed().max(0);
    Duration::from_nanos(u64::from(steps.cast_unsigned()) << 20)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn instants_keep_their_order_and_come_no_earlier() {
        let instants: Vec<_> = (0..100).map(|n| Instant::now() + Duration::from_micros(n % 7)).collect();
        for pair in instants.windows(2) {
            assert_eq!(pair[0].cmp(&pair[1]), at(pair[0]).cmp(&at(pair[1])));
        }
        let past = Instant::now() - Duration::from_secs(1);
        assert_eq!(at(past), at(past));
        let before = Instant::now();
        let reading = now();
        assert!(at(before) < reading + 1_000_000_000, "both count from the same start");
        assert!(at(Instant::now()) >= reading, "never early");
    }

    #[test]
    fn coarse_readings_wrap_and_may_be_the_wrong_way_round() {
        let step = Duration::from_nanos(1 << 20);
        assert_eq!(coarse_between(5, 7), 2 * step);
        assert_eq!(coarse_between(u32::MAX, 1), 2 * step);
        assert_eq!(coarse_between(7, 5), Duration::ZERO);
    }
}
