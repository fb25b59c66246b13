//! What a queue's waiter can be in async code: a future.

use super::wait::Wait;
use super::{Attempt, Hand, Place, Stranger, Wakes};
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

/// An operation as a future. It stands in line from the first poll that finds it impossible, and keeps its place until it completes or is
/// dropped. Dropped when it was served and not polled after that, it passes on what it was handed.
struct Awaited<A: Attempt> {
    attempt: A,
    hand: Hand<A::Message>,
    place: Place<A::Message>,
    wait: Wait,
    /// Whether the place was put into the queue, and the wait's end not seen.
    standing: bool,
    /// Others reach hand, place and wait by pointers.
    _pinned: PhantomPinned,
}

// SAFETY: the pointers in its place are to itself and to its neighbours in a queue, which are followed under the queue's lock; messages
// change threads with it.
unsafe impl<A: Attempt + Send> Send for Awaited<A>
where
    A::Message: Send,
    A::State: Send,
{
}

/// Makes a future of an operation, with the message that it offers if it offers one.
pub(crate) fn awaited<A: Attempt>(attempt: A, offered: Option<A::Message>) -> impl Future<Output = A::Output> {
    Awaited {
        attempt,
        hand: Hand::new(offered),
        place: Place::nowhere(),
        wait: Wait::of_task(Waker::noop()),
        standing: false,
        _pinned: PhantomPinned,
    }
}

impl<A: Attempt> Future for Awaited<A> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: nothing is moved out but the message, which nobody points to by way of the future.
        let this = unsafe { self.get_unchecked_mut() };
        loop {
            if this.standing {
                let state = this.attempt.lock().lock();
                let Some(end) = this.wait.ended() else {
                    // SAFETY: it is a task's, it has not ended, and `state` is the guard of the queue's lock.
                    unsafe { Wait::set_waker(&raw mut this.wait, context.waker()) };
                    return Poll::Pending;
                };
                drop(state);
                this.standing = false;
                if let Some(output) = this.attempt.ended(end, this.hand.take()) {
                    return Poll::Ready(output);
                }
            }
            match this.attempt.attempt(this.hand.take()) {
                Ok(output) => return Poll::Ready(output),
                Err(Some(offered)) => this.hand.put(offered),
                Err(None) => {}
            }
            let mut state = this.attempt.lock().lock();
            if this.attempt.must_wait(&state, Stranger(ptr::null())) {
                this.wait = Wait::of_task(context.waker());
                this.place = Place::new(&this.wait, &this.hand);
                // SAFETY: the future is pinned, and its destructor takes the place out.
                unsafe { A::queue(&mut state).enlist(&this.place) };
                this.standing = true;
                return Poll::Pending;
            }
        }
    }
}

impl<A: Attempt> Drop for Awaited<A> {
    fn drop(&mut self) {
        if !self.standing {
            return;
        }
        let mut wakes = Wakes::none();
        let mut state = self.attempt.lock().lock();
        // SAFETY: it was put into this queue.
        let left = unsafe { A::queue(&mut state).remove(&self.place) };
        if left {
            self.attempt.left(&mut state, &mut wakes);
        }
        drop(state);
        wakes.wake();
        if !left {
            let hand = self.hand.take();
            self.attempt.give_back(hand);
        }
    }
}
