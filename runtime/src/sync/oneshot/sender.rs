//! The sending end.

use super::{SendError, Shared, State};
use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, in_line, wait_in};
use crate::select::Event;
use crate::sys::sync::Lock;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// The sending end of a [`channel`](super::channel). Dropping it tells the receiver that there will be no message.
pub struct Sender<T> {
    /// `None` once it has sent.
    pub(super) shared: Option<Arc<Shared<T>>>,
}

impl<T> Sender<T> {
    /// Sends the message. Never waits.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is gone.
    #[inline]
    pub fn send(mut self, message: T) -> Result<(), SendError<T>> {
        let shared = self.shared.take().expect("a sender sends once");
        let mut state = shared.state.lock();
        if !state.has_receiver {
            return Err(SendError(message));
        }
        state.has_sender = false;
        if state.receiving.is_empty() {
            state.message = Some(message);
            return Ok(());
        }
        let mut wakes = Wakes::none();
        if let Err(message) = state.receiving.give(message, &mut wakes) {
            state.message = Some(message);
        }
        drop(state);
        wakes.wake();
        Ok(())
    }

    /// Whether the receiver is gone, so that it is not worth the while to find an answer.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shared().state.lock().has_receiver
    }

    /// Waits until the receiver is gone.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from the wait.
    ///
    /// ```
    /// use fiber::sync::oneshot;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let (sender, receiver) = oneshot::channel::<u32>();
    /// let asker = fiber::spawn(move || drop(receiver));
    /// sender.closed();
    /// assert!(sender.is_closed());
    /// # asker.join().unwrap();
    /// # });
    /// ```
    pub fn closed(&self) {
        let shared = self.shared();
        let state = shared.state.lock();
        if !state.has_receiver {
            return;
        }
        let end = wait_in(&shared.state, state, |state| &mut state.closing, &Hand::new(None), Reason::Closed, None);
        if let End::Interrupted(interruption) = end {
            interruption.raise();
        }
    }

    /// The receiver's going, as an event for [`select!`](crate::select!), where it is what `closed()` stands for.
    pub fn closed_event(&self) -> impl Event<Output = ()> {
        in_line(Gone(self.shared()), None)
    }

    fn shared(&self) -> &Shared<T> {
        self.shared.as_ref().expect("a sender is used up by sending")
    }
}

/// The wait for the receiver to go, as one of several.
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
        if !self.0.state.lock().has_receiver { Ok(()) } else { Err(None) }
    }

    fn must_wait(&self, state: &State<T>, _: Stranger) -> bool {
        state.has_receiver
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<()> {
        Some(())
    }

    /// Nothing was handed over.
    fn give_back(&mut self, _: Option<()>) {}
}

// As std's: a message is moved in as a whole, so a panic leaves nothing half done.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let mut wakes = Wakes::none();
            {
                let mut state = shared.state.lock();
                state.has_sender = false;
                state.receiving.close(&mut wakes);
            }
            wakes.wake();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
