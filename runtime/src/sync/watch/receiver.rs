//! The end that sees the value change.

use super::{Iter, RecvError, RecvTimeoutError, Shared, State};
use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, awaited, in_line, io, wait_in};
use crate::select::{Event, Selectable};
use crate::sync::channel::after;
use crate::sys::sync::{Lock, LockGuard};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The end of a watch channel that sees the value change. Cloning gives one that has seen as much.
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The version that was seen last. `u64::MAX` is none: it is beyond what a channel ever gets to.
    pub(super) seen: u64,
}

impl<T> Receiver<T> {
    /// A snapshot of the value. It does not count as seen.
    #[must_use]
    pub fn borrow(&self) -> Arc<T> {
        self.shared.state.lock().value.clone()
    }

    /// A snapshot of the value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Arc<T> {
        let state = self.shared.state.lock();
        self.seen = state.version;
        state.value.clone()
    }

    /// Whether the value was changed since this receiver has last seen it.
    ///
    /// # Errors
    ///
    /// If it was not, and no sender is left that could change it.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state.lock();
        match state.version != self.seen {
            false if state.senders == 0 => Err(RecvError),
            changed => Ok(changed),
        }
    }

    /// Makes this receiver one that has not seen the value.
    pub fn mark_changed(&mut self) {
        self.seen = u64::MAX;
    }

    /// Makes this receiver one that has seen the value.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.state.lock().version;
    }

    /// Waits until the value is one that this receiver has not seen, and counts it as seen.
    ///
    /// # Errors
    ///
    /// If the value was seen, and no sender is left that could change it.
    pub fn changed(&mut self) -> Result<(), RecvError> {
        self.wait_for_change(None).map(drop).map_err(|_| RecvError)
    }

    /// As [`changed`](Self::changed), at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If the value did not change in time, or no sender is left that could change it.
    ///
    /// ```
    /// use fiber::sync::watch::{self, RecvTimeoutError};
    /// use std::time::Duration;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// assert_eq!(receiver.changed_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.changed_timeout(Duration::from_secs(60)), Ok(()));
    /// ```
    pub fn changed_timeout(&mut self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.wait_for_change(after(timeout)).map(drop)
    }

    /// As [`changed`](Self::changed), at most until `deadline`.
    ///
    /// # Errors
    ///
    /// If the value did not change in time, or no sender is left that could change it.
    pub fn changed_deadline(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        self.wait_for_change(Some(deadline)).map(drop)
    }

    /// The change to a value that this receiver has not seen, which counts it as seen, as an event for [`select!`](crate::select!), where it
    /// is what `changed()` stands for.
    ///
    /// ```
    /// use fiber::select;
    /// use fiber::sync::{mpsc, watch};
    ///
    /// let (stop, mut stopped) = watch::channel(false);
    /// let (_sender, work) = mpsc::channel::<String>();
    /// stop.send(true).unwrap();
    /// select! {
    ///     _ = stopped.changed() => assert!(*stopped.borrow()),
    ///     message = work.recv() => unreachable!("{message:?}"),
    /// }
    /// ```
    pub fn changed_event(&mut self) -> impl Event<Output = Result<(), RecvError>> {
        in_line(Change(self), None)
    }

    /// Waiting for a change in async code: a future. It can be dropped at any time; then it has seen nothing. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn changed_async(&mut self) -> impl Future<Output = Result<(), RecvError>> {
        awaited(Change(self), None)
    }

    /// Waits until the value is one that this receiver has not seen, and gives it.
    pub(super) fn wait_for_change(&mut self, deadline: Option<Instant>) -> Result<Arc<T>, RecvTimeoutError> {
        loop {
            let state = self.shared.state.lock();
            if state.version != self.seen {
                self.seen = state.version;
                let value = state.value.clone();
                drop(state);
                io::charge();
                return Ok(value);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            self.wait(state, deadline)?;
        }
    }

    /// Waits until the value, which may have been seen, is as wanted; gives it, and counts it as seen.
    ///
    /// # Errors
    ///
    /// If the value is not as wanted, and no sender is left that could change it.
    ///
    /// ```
    /// use fiber::sync::watch;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let (sender, mut receiver) = watch::channel(0);
    /// let counter = fiber::spawn(move || (1..=10).for_each(|n| sender.send(n).unwrap()));
    /// assert!(*receiver.wait_for(|&n| n >= 5).unwrap() >= 5);
    /// # drop(receiver);
    /// # let _ = counter.join();
    /// # });
    /// ```
    pub fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Result<Arc<T>, RecvError> {
        let mut value = self.borrow_and_update();
        while !wanted(&value) {
            value = self.wait_for_change(None).map_err(|_| RecvError)?;
        }
        Ok(value)
    }

    /// The values that this receiver has not seen, as they come; waits for each, and ends when no sender is left. Those that were replaced
    /// before it came to look are not among them.
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Whether both belong to the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there may be something to see.
    fn wait(&self, state: LockGuard<'_, State<T>>, deadline: Option<Instant>) -> Result<(), RecvTimeoutError> {
        let hand = Hand::new(None);
        match wait_in(&self.shared.state, state, |state| &mut state.waiting, &hand, Reason::Watch, deadline) {
            End::Granted | End::Closed => Ok(()),
            End::TimedOut => Err(RecvTimeoutError::Timeout),
            End::Interrupted(interruption) => interruption.raise(),
        }
    }
}

/// A change as one of several things that may happen.
struct Change<'a, T>(&'a mut Receiver<T>);

impl<T> Attempt for Change<'_, T> {
    type State = State<T>;
    type Message = ();
    type Output = Result<(), RecvError>;

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.shared.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<()> {
        &mut state.waiting
    }

    fn attempt(&mut self, _: Option<()>) -> Result<Self::Output, Option<()>> {
        let Receiver { shared, seen } = &mut *self.0;
        let state = shared.state.lock();
        match *seen != state.version {
            true => {
                *seen = state.version;
                Ok(Ok(()))
            }
            false if state.senders == 0 => Ok(Err(RecvError)),
            false => Err(None),
        }
    }

    fn must_wait(&self, state: &State<T>, _: Stranger) -> bool {
        state.version == self.0.seen && state.senders > 0
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<Self::Output> {
        self.attempt(None).ok()
    }

    /// Nothing was handed over.
    fn give_back(&mut self, _: Option<()>) {}
}

/// A change of the value.
impl<T> Selectable for &mut Receiver<T> {
    type Output = Result<(), RecvError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.changed_event()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().receivers += 1;
        Receiver { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::none();
        {
            let mut state = self.shared.state.lock();
            state.receivers -= 1;
            if state.receivers == 0 {
                state.closing.grant_all(&mut wakes);
            }
        }
        wakes.wake();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
