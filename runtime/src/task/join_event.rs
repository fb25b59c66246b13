//! The end of a fiber as one of several things that may happen.

use super::join_error::JoinError;
use crate::fiber::record::Handle;
use crate::sched::Ended;
use crate::sched::select::{Arm, Event, Standing, Ticket};
use std::time::Instant;

/// A fiber that may end.
pub(super) struct Joined<'a, T> {
    handle: &'a mut Handle<T>,
    result: Option<Result<T, JoinError>>,
}

impl<'a, T> Joined<'a, T> {
    pub(super) fn new(handle: &'a mut Handle<T>) -> Joined<'a, T> {
        Joined { handle, result: None }
    }
}

impl<T> Arm for Joined<'_, T> {
    fn attempt(&mut self, _: &Ticket) -> bool {
        if !self.is_ready() {
            return false;
        }
        self.result = Some(self.handle.take_out().map_err(JoinError::new));
        true
    }

    fn enlist(&mut self, _: &Ticket, standing: Standing<'_>) -> bool {
        self.handle.fiber.join.register(standing.waiter())
    }

    fn withdraw(&mut self) {
        self.handle.fiber.join.unregister();
    }

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_ready(&self) -> bool {
        self.handle.fiber.join.is_done()
    }
}

impl<T> Event for Joined<'_, T> {
    type Output = Result<T, JoinError>;

    fn take(&mut self) -> Option<Result<T, JoinError>> {
        self.result.take()
    }
}
