//! The next signal as an event.

use super::{Signal, Signals};
use crate::sched::Ended;
use crate::sched::select::{Arm, Event, Readiness, Standing, Ticket};
use std::io;
use std::time::Instant;

/// That a signal has come: taken by the arm that happens, and by no other.
pub(super) struct Next<'a> {
    signals: &'a Signals,
    /// That the counter is raised, so that there may be one.
    raised: Readiness<'a>,
    output: Option<io::Result<Signal>>,
}

impl<'a> Next<'a> {
    pub(super) fn new(signals: &'a Signals, raised: Readiness<'a>) -> Next<'a> {
        Next { signals, raised, output: None }
    }
}

impl Arm for Next<'_> {
    fn attempt(&mut self, _: &Ticket) -> bool {
        self.output = self.signals.take_or_lower().map(Ok);
        self.output.is_some()
    }

    fn enlist(&mut self, ticket: &Ticket, standing: Standing<'_>) -> bool {
        self.raised.enlist(ticket, standing)
    }

    fn withdraw(&mut self) {
        self.raised.withdraw();
    }

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.raised.deadline()
    }

    fn is_ready(&self) -> bool {
        self.raised.is_ready()
    }
}

impl Event for Next<'_> {
    type Output = io::Result<Signal>;

    fn take(&mut self) -> Option<io::Result<Signal>> {
        self.output.take()
    }
}
