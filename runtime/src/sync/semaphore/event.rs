//! Acquiring permits as one of several things that may happen, and in async code.

use super::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, assert_possible};
use crate::sched::{Attempt, Ended, Stranger, WaitQueue, Wakes, awaited, in_line};
use crate::select::{Event, Selectable};
use crate::sys::sync::Lock;
use std::borrow::Borrow;
use std::sync::Arc;

impl Semaphore {
    /// Acquiring a permit, as an event for [`select!`](crate::select!), where it is what `acquire()` stands for. One that did not happen
    /// has no permit, and has kept nobody else from one.
    ///
    /// ```
    /// use fiber::select;
    /// use fiber::sync::{Notify, Semaphore};
    ///
    /// let (requests, stop) = (Semaphore::new(1), Notify::new());
    /// select! {
    ///     permit = requests.acquire() => assert_eq!(permit.num_permits(), 1),
    ///     () = stop.notified() => unreachable!("nobody notifies it"),
    /// }
    /// ```
    pub fn acquire_event(&self) -> impl Event<Output = SemaphorePermit<'_>> {
        self.acquire_many_event(1)
    }

    /// Acquiring so many permits, as an event for [`select!`](crate::select!), where it is what `acquire_many(permits)` stands for. While
    /// it waits it stands in line as [`acquire_many`](Self::acquire_many) does.
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_event(&self, permits: usize) -> impl Event<Output = SemaphorePermit<'_>> {
        in_line(Acquiring::new(self, permits, SemaphorePermit::new), Some(permits))
    }

    /// As [`acquire_event`](Self::acquire_event), for a permit that keeps the semaphore alive and may be sent to another fiber; what
    /// `acquire_owned()` stands for.
    pub fn acquire_owned_event(self: Arc<Self>) -> impl Event<Output = OwnedSemaphorePermit> {
        self.acquire_many_owned_event(1)
    }

    /// As [`acquire_many_event`](Self::acquire_many_event), for permits that keep the semaphore alive and may be sent to another fiber;
    /// what `acquire_many_owned(permits)` stands for.
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_owned_event(self: Arc<Self>, permits: usize) -> impl Event<Output = OwnedSemaphorePermit> {
        in_line(Acquiring::new(self, permits, OwnedSemaphorePermit::new), Some(permits))
    }

    /// Acquiring a permit in async code: a future. It can be dropped at any time; a permit that came to it and that it did not give goes
    /// to the next waiter. Works under any executor, and under [`block_on`](crate::block_on).
    ///
    /// ```
    /// let semaphore = fiber::sync::Semaphore::new(1);
    /// let permit = fiber::block_on(semaphore.acquire_async());
    /// assert!(semaphore.try_acquire().is_none());
    /// # drop(permit);
    /// ```
    pub fn acquire_async(&self) -> impl Future<Output = SemaphorePermit<'_>> {
        self.acquire_many_async(1)
    }

    /// As [`acquire_async`](Self::acquire_async), for so many permits.
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_async(&self, permits: usize) -> impl Future<Output = SemaphorePermit<'_>> {
        awaited(Acquiring::new(self, permits, SemaphorePermit::new), Some(permits))
    }

    /// As [`acquire_async`](Self::acquire_async), for a permit that keeps the semaphore alive and may be sent to another fiber.
    pub fn acquire_owned_async(self: Arc<Self>) -> impl Future<Output = OwnedSemaphorePermit> {
        self.acquire_many_owned_async(1)
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), for permits that keep the semaphore alive and may be sent to another fiber.
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_owned_async(self: Arc<Self>, permits: usize) -> impl Future<Output = OwnedSemaphorePermit> {
        awaited(Acquiring::new(self, permits, OwnedSemaphorePermit::new), Some(permits))
    }
}

/// Acquiring permits of a semaphore, which is borrowed or owned. What lies in the hand is how many, too.
struct Acquiring<S, P> {
    semaphore: S,
    permits: usize,
    permit: fn(S, usize) -> P,
}

impl<S: Borrow<Semaphore> + Clone, P> Acquiring<S, P> {
    fn new(semaphore: S, permits: usize, permit: fn(S, usize) -> P) -> Acquiring<S, P> {
        assert_possible(permits);
        Acquiring { semaphore, permits, permit }
    }

    fn acquired(&self) -> P {
        (self.permit)(self.semaphore.clone(), self.permits)
    }
}

impl<S: Borrow<Semaphore> + Clone, P> Attempt for Acquiring<S, P> {
    type State = WaitQueue<usize>;
    type Message = usize;
    type Output = P;

    fn lock(&self) -> &Lock<WaitQueue<usize>> {
        &self.semaphore.borrow().waiters
    }

    fn queue(waiters: &mut WaitQueue<usize>) -> &mut WaitQueue<usize> {
        waiters
    }

    fn attempt(&mut self, offered: Option<usize>) -> Result<P, Option<usize>> {
        if self.semaphore.borrow().try_take(self.permits) { Ok(self.acquired()) } else { Err(offered) }
    }

    fn must_wait(&self, _: &WaitQueue<usize>, _: Stranger) -> bool {
        self.semaphore.borrow().mark_waited(self.permits)
    }

    fn ended(&mut self, _: Ended, _: Option<usize>) -> Option<P> {
        Some(self.acquired())
    }

    fn give_back(&mut self, _: Option<usize>) {
        self.semaphore.borrow().give(self.permits);
    }

    fn left(&self, waiters: &mut WaitQueue<usize>, wakes: &mut Wakes) {
        self.semaphore.borrow().settle_in(waiters, wakes);
    }
}

/// A permit.
impl<'a> Selectable for &'a Semaphore {
    type Output = SemaphorePermit<'a>;

    fn into_event(self) -> impl Event<Output = SemaphorePermit<'a>> {
        self.acquire_event()
    }
}
