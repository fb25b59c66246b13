//! Events that are asked again and again: functions that poll, and futures.

use crate::sched::Ended;
use crate::sched::select::{Arm, Event, Standing, Ticket};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// An event made of a function that polls, by [`poll_fn`] or [`future`].
#[must_use = "an event does nothing until it is selected"]
pub struct Polled<F, T> {
    poll: F,
    output: Option<T>,
}

/// An event that has happened when `poll` says so: the way to make something selectable that no other event tells of.
///
/// As [`std::future::poll_fn`]: `poll` is called at least once for each `select!`. If it returns [`Poll::Pending`] it has left the
/// waker of its context with whoever will know more, and is called again when that waker was used. If it returns [`Poll::Ready`], that is
/// what has happened, and no other arm has. So it should take nothing before it is ready; and a waker that is used after the
/// `select!` does no harm. It may wait, which keeps the other arms waiting.
///
/// ```
/// use fiber::select;
/// use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
/// use std::sync::{Arc, Mutex};
/// use std::task::{Poll, Waker};
///
/// /// A flag that is raised once, and those who want to know.
/// #[derive(Default)]
/// struct Flag(AtomicBool, Mutex<Vec<Waker>>);
///
/// impl Flag {
///     fn raise(&self) {
///         self.0.store(true, SeqCst);
///         self.1.lock().unwrap().drain(..).for_each(Waker::wake);
///     }
///
///     fn raised(&self) -> impl select::Event<Output = ()> {
///         select::poll_fn(|context| {
///             self.1.lock().unwrap().push(context.waker().clone());
///             if self.0.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
///         })
///     }
/// }
///
/// let flag = Arc::new(Flag::default());
/// let raiser = std::thread::spawn({
///     let flag = flag.clone();
///     move || flag.raise()
/// });
/// fiber::select! {
///     () = flag.raised() => {}
///     () = fiber::time::after(std::time::Duration::from_secs(60)) => unreachable!("it is raised"),
/// }
/// # raiser.join().unwrap();
/// ```
pub fn poll_fn<T, F: FnMut(&mut Context<'_>) -> Poll<T>>(poll: F) -> Polled<F, T> {
    Polled { poll, output: None }
}

/// A future's completion as an event. What it is polled for and has not completed when another event happens is up to the future:
/// select it by `&mut` if it is to go on later.
///
/// A future that may not move is given by a pinned reference, as [`pin!`](std::pin::pin) makes one.
///
/// ```
/// use fiber::select::{self, Select};
/// use std::pin::pin;
///
/// let answer = pin!(async { 42 });
/// assert_eq!(Select::new().arm(select::future(answer), |answer| answer).wait(), 42);
/// ```
pub fn future<T: Future + Unpin>(mut future: T) -> Polled<impl FnMut(&mut Context<'_>) -> Poll<T::Output>, T::Output> {
    poll_fn(move |context| Pin::new(&mut future).poll(context))
}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Arm for Polled<F, T> {
    fn attempt(&mut self, ticket: &Ticket) -> bool {
        if let Poll::Ready(output) = (self.poll)(&mut Context::from_waker(&ticket.waker())) {
            self.output = Some(output);
        }
        self.output.is_some()
    }

    fn enlist(&mut self, _: &Ticket, _: Standing<'_>) -> bool {
        // Whether it has to be asked again, the ticket knows.
        true
    }

    fn withdraw(&mut self) {}

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_ready(&self) -> bool {
        false
    }
}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Event for Polled<F, T> {
    type Output = T;

    fn take(&mut self) -> Option<T> {
        self.output.take()
    }
}

impl<F, T> fmt::Debug for Polled<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").finish_non_exhaustive()
    }
}
