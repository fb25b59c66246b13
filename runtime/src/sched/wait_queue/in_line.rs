//! What may happen to one queue's waiter when it waits for the first of several.

use super::{Ended, Hand, Place, Wait, WaitQueue, Wakes};
use crate::sched::select::{Arm, Event, Standing, Ticket};
use crate::sys::sync::Lock;
use std::marker::PhantomPinned;
use std::ptr;
use std::time::Instant;

/// An operation that a lock guards the state of: it can be tried, and waited for in a queue that lies in that state.
///
/// Nothing of it runs code of the user's, and none of it waits.
pub(crate) trait Attempt {
    /// What the lock guards.
    type State;
    /// What is handed over in the queue.
    type Message;
    /// What it gives.
    type Output;

    fn lock(&self) -> &Lock<Self::State>;

    fn queue(state: &mut Self::State) -> &mut WaitQueue<Self::Message>;

    /// Makes it happen if that takes no wait; if not, gives back what it was offered.
    fn attempt(&mut self, offered: Option<Self::Message>) -> Result<Self::Output, Option<Self::Message>>;

    /// Whether it cannot happen as things are. The stranger tells whether somebody stands in a queue who is not the waiter itself.
    fn must_wait(&self, state: &Self::State, stranger: Stranger) -> bool;

    /// Somebody has ended the wait; `hand` holds what was handed over, or what was offered and not taken. `None` means that the waiter
    /// has to look for itself.
    fn ended(&mut self, end: Ended, hand: Option<Self::Message>) -> Option<Self::Output>;

    /// Somebody has ended the wait, and the waiter does not want it any more: what was handed over goes to the next.
    fn give_back(&mut self, hand: Option<Self::Message>);

    /// The waiter has left the queue, in which it was in the way of others perhaps.
    fn left(&self, _state: &mut Self::State, _wakes: &mut Wakes) {}
}

/// Everybody but one waiter.
#[derive(Clone, Copy)]
pub(crate) struct Stranger(pub(super) *const Wait);

impl Stranger {
    /// Whether one stands in this queue, and could be served at this moment.
    pub(crate) fn stands_in<M>(self, queue: &WaitQueue<M>) -> bool {
        queue.has_other(self.0)
    }
}

/// An operation as an arm of a wait for the first of several.
struct InLine<A: Attempt> {
    attempt: A,
    hand: Hand<A::Message>,
    place: Place<A::Message>,
    output: Option<A::Output>,
    /// Others reach hand and place by pointers while the wait has this by `&mut`, which must not be taken for its only way in: the
    /// compiler does not for what is not `Unpin`.
    _pinned: PhantomPinned,
}

/// Makes an event of an operation, with the message that it offers if it offers one.
pub(crate) fn in_line<A: Attempt>(attempt: A, offered: Option<A::Message>) -> impl Event<Output = A::Output> {
    InLine { attempt, hand: Hand::new(offered), place: Place::nowhere(), output: None, _pinned: PhantomPinned }
}

impl<A: Attempt> Arm for InLine<A> {
    fn attempt(&mut self, _: &Ticket) -> bool {
        match self.attempt.attempt(self.hand.take()) {
            Ok(output) => self.output = Some(output),
            Err(Some(offered)) => self.hand.put(offered),
            Err(None) => {}
        }
        self.output.is_some()
    }

    fn enlist(&mut self, _: &Ticket, standing: Standing<'_>) -> bool {
        let wait = standing.wait();
        self.place = Place::new(wait, &self.hand);
        let mut state = self.attempt.lock().lock();
        if !self.attempt.must_wait(&state, Stranger(wait)) {
            return false;
        }
        // SAFETY: whoever made `standing` keeps this arm and the wait in place until `withdraw`, which takes the place out.
        unsafe { A::queue(&mut state).enlist(&self.place) };
        true
    }

    fn withdraw(&mut self) {
        let mut wakes = Wakes::none();
        let mut state = self.attempt.lock().lock();
        // SAFETY: it was put into this queue, if into any.
        if unsafe { A::queue(&mut state).remove(&self.place) } {
            self.attempt.left(&mut state, &mut wakes);
        }
        drop(state);
        wakes.wake();
    }

    fn settle(&mut self, place: *const (), end: Ended) -> Option<bool> {
        if !ptr::eq(place, ptr::from_ref(&self.place).cast()) {
            return None;
        }
        self.output = self.attempt.ended(end, self.hand.take());
        Some(self.output.is_some())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_ready(&self) -> bool {
        false
    }
}

impl<A: Attempt> Event for InLine<A> {
    type Output = A::Output;

    fn take(&mut self) -> Option<A::Output> {
        self.output.take()
    }
}
