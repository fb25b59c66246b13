//! Events that are made of other events.

use super::{Arm, Event, Standing, Ticket};
use crate::sched::Ended;
use std::time::Instant;

/// The arm is another's, with this expression for it.
macro_rules! passed_on {
    ($this:ident => $arm:expr) => {
        fn attempt(&mut $this, ticket: &Ticket) -> bool {
            $arm.attempt(ticket)
        }

        fn enlist(&mut $this, ticket: &Ticket, standing: Standing<'_>) -> bool {
            $arm.enlist(ticket, standing)
        }

        fn withdraw(&mut $this) {
            $arm.withdraw();
        }

        fn settle(&mut $this, place: *const (), end: Ended) -> Option<bool> {
            $arm.settle(place, end)
        }

        fn deadline(&$this) -> Option<Instant> {
            $arm.deadline()
        }

        fn is_ready(&$this) -> bool {
            $arm.is_ready()
        }
    };
}

impl<A: Arm + ?Sized> Arm for &mut A {
    passed_on!(self => (**self));
}

impl<E: Event + ?Sized> Event for &mut E {
    type Output = E::Output;

    fn take(&mut self) -> Option<E::Output> {
        (**self).take()
    }
}

/// None never happens.
impl<A: Arm> Arm for Option<A> {
    fn attempt(&mut self, ticket: &Ticket) -> bool {
        self.as_mut().is_some_and(|arm| arm.attempt(ticket))
    }

    fn enlist(&mut self, ticket: &Ticket, standing: Standing<'_>) -> bool {
        self.as_mut().is_none_or(|arm| arm.enlist(ticket, standing))
    }

    fn withdraw(&mut self) {
        if let Some(arm) = self {
            arm.withdraw();
        }
    }

    fn settle(&mut self, place: *const (), end: Ended) -> Option<bool> {
        self.as_mut()?.settle(place, end)
    }

    fn deadline(&self) -> Option<Instant> {
        self.as_ref()?.deadline()
    }

    fn is_ready(&self) -> bool {
        self.as_ref().is_some_and(Arm::is_ready)
    }
}

impl<E: Event> Event for Option<E> {
    type Output = E::Output;

    fn take(&mut self) -> Option<E::Output> {
        self.as_mut()?.take()
    }
}

/// An event with something made of what it gives.
pub(super) struct Map<E, F> {
    pub(super) event: E,
    pub(super) f: F,
}

impl<E: Event, T, F: FnMut(E::Output) -> T> Arm for Map<E, F> {
    passed_on!(self => self.event);
}

impl<E: Event, T, F: FnMut(E::Output) -> T> Event for Map<E, F> {
    type Output = T;

    fn take(&mut self) -> Option<T> {
        self.event.take().map(&mut self.f)
    }
}
