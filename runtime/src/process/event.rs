//! The end of a process as an event.

use crate::sched::Ended;
use crate::sched::select::{Arm, Event, Readiness, Standing, Ticket};
use std::io;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How long to wait before looking again where nobody tells of the end.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// That a process has ended, or that it cannot be said whether it has.
pub(super) struct End<'a> {
    inner: &'a mut Child,
    seen: &'a mut bool,
    /// Of the process's descriptor. Without one, it is looked at now and then.
    told: Option<Readiness<'a>>,
    look: Option<Instant>,
    pause: Duration,
    output: Option<io::Result<ExitStatus>>,
}

impl<'a> End<'a> {
    pub(super) fn new(inner: &'a mut Child, seen: &'a mut bool, told: Option<Readiness<'a>>) -> End<'a> {
        End { inner, seen, told, look: None, pause: PAUSES.0, output: None }
    }
}

impl Arm for End<'_> {
    fn attempt(&mut self, _: &Ticket) -> bool {
        self.output = self.inner.try_wait().transpose();
        *self.seen |= matches!(self.output, Some(Ok(_)));
        self.output.is_some()
    }

    fn enlist(&mut self, ticket: &Ticket, standing: Standing<'_>) -> bool {
        if let Some(told) = &mut self.told {
            return told.enlist(ticket, standing);
        }
        if standing.sleeps() {
            self.look = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
        true
    }

    fn withdraw(&mut self) {
        self.look = None;
        if let Some(told) = &mut self.told {
            told.withdraw();
        }
    }

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.told.as_ref().map_or(self.look, Arm::deadline)
    }

    fn is_ready(&self) -> bool {
        self.told.as_ref().is_some_and(Arm::is_ready)
    }
}

impl Event for End<'_> {
    type Output = io::Result<ExitStatus>;

    fn take(&mut self) -> Option<io::Result<ExitStatus>> {
        self.output.take()
    }
}
