//! The rest of a time limit, for waits in several steps.

use std::time::{Duration, Instant};

/// A moment at which to give up, or none.
#[derive(Clone, Copy)]
pub(super) struct TimeLeft(Option<Instant>);

impl TimeLeft {
    pub(super) const UNLIMITED: TimeLeft = TimeLeft(None);

    /// So long from now; without a limit if that is beyond what the clock can say.
    pub(super) fn of(timeout: Duration) -> TimeLeft {
        TimeLeft(Instant::now().checked_add(timeout))
    }

    /// What is left of it: the `timeout` of the next wait.
    pub(super) fn get(self) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
