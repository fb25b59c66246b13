//! A moment as one of several things that may happen.

use crate::sched::Ended;
use crate::sched::select::{Arm, Event, Standing, Ticket};
use std::time::{Duration, Instant};

/// An event that happens when a time has passed, made by [`after`] or [`at`]. It happens again whenever it is selected after that.
#[derive(Clone, Debug)]
#[must_use = "an event does nothing until it is selected"]
pub struct After {
    /// `None` is never.
    deadline: Option<Instant>,
    happened: bool,
}

/// The moment at which `duration` has passed from now, as an event for [`select!`](crate::select!). Works on fibers and threads.
///
/// In an arm it starts anew with each `select!`; made before a loop, and selected by reference, it limits the whole loop.
///
/// ```
/// use fiber::select;
/// use fiber::sync::mpsc::channel;
/// use fiber::time::{Duration, after};
///
/// let (_sender, receiver) = channel::<u8>();
/// let late = select! {
///     message = receiver.recv() => unreachable!("{message:?}"),
///     () = after(Duration::from_millis(1)) => true,
/// };
/// assert!(late);
/// ```
pub fn after(duration: Duration) -> After {
    After { deadline: Instant::now().checked_add(duration), happened: false }
}

/// This moment as an event for [`select!`](crate::select!); one in the past happens at once. Works on fibers and threads.
///
/// ```
/// use fiber::select::Select;
/// use fiber::time::{Duration, Instant, at};
///
/// let now = Instant::now();
/// let (soon, sooner) = (at(now + Duration::from_millis(20)), at(now + Duration::from_millis(1)));
/// assert_eq!(Select::new().arm(soon, |()| 20).arm(sooner, |()| 1).wait(), 1);
/// ```
pub fn at(deadline: Instant) -> After {
    After { deadline: Some(deadline), happened: false }
}

impl Arm for After {
    fn attempt(&mut self, _: &Ticket) -> bool {
        self.happened = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.happened
    }

    fn enlist(&mut self, _: &Ticket, _: Standing<'_>) -> bool {
        true
    }

    fn withdraw(&mut self) {}

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_ready(&self) -> bool {
        false
    }
}

impl Event for After {
    type Output = ();

    fn take(&mut self) -> Option<()> {
        std::mem::take(&mut self.happened).then_some(())
    }
}
