//! Waiting for the first of as many as there are at run time.

use super::{Event, Selectable};
use crate::sched::select::{Arm, Patience, first_of};
use std::fmt;
use std::time::{Duration, Instant};

/// [`select!`](crate::select!) as a function, for as many arms as there are at run time.
///
/// What holds for the macro holds here, and each arm is an allocation. Works from fibers and threads.
///
/// ```
/// use fiber::select::Select;
/// use fiber::sync::mpsc::channel;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (senders, receivers): (Vec<_>, Vec<_>) = (0..10).map(|_| channel()).unzip();
/// senders[7].send("seven").unwrap();
/// let mut select = Select::new();
/// for (number, receiver) in receivers.iter().enumerate() {
///     select = select.arm(receiver, move |message| (number, message));
/// }
/// assert_eq!(select.wait(), (7, Ok("seven")));
/// # });
/// ```
#[must_use = "it does nothing until it waits"]
pub struct Select<'a, R> {
    branches: Vec<Box<dyn Branch<R> + 'a>>,
    biased: bool,
}

/// An arm and what to do when it has happened.
trait Branch<R> {
    fn arm(&mut self) -> &mut dyn Arm;

    /// Asked once, after the wait.
    fn has_happened(&mut self) -> bool;

    fn run(self: Box<Self>) -> R;
}

struct Then<E: Event, F> {
    event: E,
    output: Option<E::Output>,
    then: F,
}

impl<E: Event, R, F: FnOnce(E::Output) -> R> Branch<R> for Then<E, F> {
    fn arm(&mut self) -> &mut dyn Arm {
        &mut self.event
    }

    fn has_happened(&mut self) -> bool {
        self.output = self.event.take();
        self.output.is_some()
    }

    fn run(self: Box<Self>) -> R {
        let Then { event, output, then } = *self;
        drop(event);
        then(output.expect("it has happened"))
    }
}

impl<'a, R> Select<'a, R> {
    /// Without an arm, it would wait for ever.
    pub fn new() -> Select<'a, R> {
        Select { branches: Vec::new(), biased: false }
    }

    /// Makes it prefer the first of several arms that can happen at once; otherwise one of them is taken by chance.
    pub fn biased(mut self) -> Select<'a, R> {
        self.biased = true;
        self
    }

    /// Adds an arm: `then` is called with what the event gives, after all other events are dropped.
    pub fn arm<S, F>(mut self, source: S, then: F) -> Select<'a, R>
    where
        S: Selectable + 'a,
        F: FnOnce(S::Output) -> R + 'a,
    {
        self.branches.push(Box::new(Then { event: source.into_event(), output: None, then }));
        self
    }

    /// Waits until one of the events happens, and returns what its arm makes of it.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from the wait, and nothing has happened.
    pub fn wait(self) -> R {
        self.until(Patience::Endless).expect("a wait without a limit ends when something has happened")
    }

    /// As [`wait`](Self::wait), if one of them can happen at once.
    ///
    /// ```
    /// use fiber::select::Select;
    /// use fiber::sync::Notify;
    ///
    /// let notify = Notify::new();
    /// let select = || Select::new().arm(&notify, |()| "notified");
    /// assert_eq!(select().try_wait(), None);
    /// notify.notify_one();
    /// assert_eq!(select().try_wait(), Some("notified"));
    /// ```
    pub fn try_wait(self) -> Option<R> {
        self.until(Patience::None)
    }

    /// As [`wait`](Self::wait), at most for `timeout`.
    pub fn wait_timeout(self, timeout: Duration) -> Option<R> {
        self.until(Instant::now().checked_add(timeout).map_or(Patience::Endless, Patience::Until))
    }

    /// As [`wait`](Self::wait), at most until `deadline`.
    pub fn wait_deadline(self, deadline: Instant) -> Option<R> {
        self.until(Patience::Until(deadline))
    }

    fn until(mut self, patience: Patience) -> Option<R> {
        let mut arms: Vec<&mut dyn Arm> = self.branches.iter_mut().map(|branch| branch.arm()).collect();
        if !first_of(&mut arms, self.biased, patience) {
            return None;
        }
        let happened = self.branches.iter_mut().position(|branch| branch.has_happened());
        let branch = self.branches.swap_remove(happened.expect("one of them has happened"));
        self.branches.clear();
        Some(branch.run())
    }
}

impl<R> Default for Select<'_, R> {
    fn default() -> Self {
        Select::new()
    }
}

impl<R> fmt::Debug for Select<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("arms", &self.branches.len()).field("biased", &self.biased).finish()
    }
}
