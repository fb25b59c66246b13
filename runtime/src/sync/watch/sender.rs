//! The end that changes the value.

use super::{Receiver, SendError, Shared, State};
use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, in_line, wait_in};
use crate::select::Event;
use crate::sync::MutexGuard;
use crate::sys::sync::Lock;
use std::fmt;
use std::mem;
use std::sync::{Arc, PoisonError};

/// The end of a watch channel that changes the value. It can be cloned and shared; when the last is dropped, receivers are told that
/// there will be no change any more.
///
/// Changes come one after the other: while one sender's closure computes a new value, the others wait (a cancellation point, as
/// every wait).
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Changes the value.
    ///
    /// # Errors
    ///
    /// The new value, if there is no receiver at this time: the old one stays. [`send_replace`](Self::send_replace) changes it
    /// anyhow.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        // A receiver that comes between the question and the change sees the change, one that goes could have gone after it.
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value, whether or not there is a receiver, and returns the one before.
    pub fn send_replace(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let _changing = self.change();
        self.publish(value)
    }

    /// Changes the value by a closure, which gets a clone of it; receivers go on seeing the old one until it returns. If it panics, or
    /// its fiber is cancelled in the middle of it, nothing has changed.
    ///
    /// The closure may wait. It must not change the value of the same channel: that would wait for itself.
    ///
    /// ```
    /// let (sender, receiver) = fiber::sync::watch::channel(vec![1]);
    /// sender.send_modify(|values| values.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify(&self, modify: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), but the closure says whether it has changed anything; if not, its clone is dropped and no
    /// receiver is told. Returns what the closure returned.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        // Dropped after the lock, also in an unwinding: a destructor may use the channel.
        let mut value;
        let changing = self.change();
        value = self.borrow();
        let modified = modify(Arc::make_mut(&mut value));
        let left = if modified { self.publish(value) } else { value };
        drop(changing);
        drop(left);
        modified
    }

    /// A snapshot of the value.
    #[must_use]
    pub fn borrow(&self) -> Arc<T> {
        self.shared.state.lock().value.clone()
    }

    /// A new receiver, which has seen the value as it is now.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        let mut state = self.shared.state.lock();
        state.receivers += 1;
        Receiver { shared: self.shared.clone(), seen: state.version }
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.state.lock().receivers
    }

    /// Whether there is no receiver.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from the wait.
    ///
    /// ```
    /// use fiber::sync::watch;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let (sender, receiver) = watch::channel(());
    /// let fiber = fiber::spawn(move || drop(receiver));
    /// sender.closed();
    /// # fiber.join().unwrap();
    /// # });
    /// ```
    pub fn closed(&self) {
        let state = self.shared.state.lock();
        if state.receivers == 0 {
            return;
        }
        let hand = Hand::new(None);
        let end = wait_in(&self.shared.state, state, |state| &mut state.closing, &hand, Reason::Closed, None);
        if let End::Interrupted(interruption) = end {
            interruption.raise();
        }
    }

    /// The going of the last receiver, as an event for [`select!`](crate::select!), where it is what `closed()` stands for.
    pub fn closed_event(&self) -> impl Event<Output = ()> {
        in_line(Gone(&self.shared), None)
    }

    /// Whether both belong to the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The right to change the value. A closure that panicked has changed nothing, so poison means nothing.
    fn change(&self) -> MutexGuard<'_, ()> {
        self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, value: Arc<T>) -> Arc<T> {
        let mut wakes = Wakes::none();
        let mut state = self.shared.state.lock();
        let before = mem::replace(&mut state.value, value);
        state.version += 1;
        state.waiting.grant_all(&mut wakes);
        drop(state);
        wakes.wake();
        before
    }
}

/// The wait for the receivers to go, as one of several.
struct Gone<'a, T>(&'a Shared<T>);

impl<T> Attempt for Gone<'_, T> {
    type State = State<T>;
    type Message = ();
    type Output = ();

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<()> {
        &mut state.closing
    }

    fn attempt(&mut self, _: Option<()>) -> Result<(), Option<()>> {
        if self.0.state.lock().receivers == 0 { Ok(()) } else { Err(None) }
    }

    fn must_wait(&self, state: &State<T>, _: Stranger) -> bool {
        state.receivers > 0
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<()> {
        Some(())
    }

    /// Nothing was handed over.
    fn give_back(&mut self, _: Option<()>) {}
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().senders += 1;
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::none();
        {
            let mut state = self.shared.state.lock();
            state.senders -= 1;
            if state.senders == 0 {
                state.waiting.close(&mut wakes);
            }
        }
        wakes.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
