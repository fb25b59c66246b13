//! Futures on fibers and threads, and fibers in async code.

use super::join_error::JoinError;
use super::join_handle::JoinHandle;
use crate::fiber::record::Waiter;
use crate::sched::select;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Polls a future until it completes, and returns what it gives. In between it suspends the running fiber; on a thread, it parks the
/// thread.
///
/// For any future that does not need an executor of its own kind. (Tokio's sockets and timers need Tokio's reactor: enter a runtime of
/// Tokio's that runs elsewhere around the call.) A future that blocks its thread in `poll` blocks the worker.
///
/// A cancellation point that cannot return an error: a cancelled fiber unwinds from it, which drops the future. Future and result need
/// not be `Send`: a fiber stays on its thread.
///
/// ```
/// use std::rc::Rc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let local = Rc::new(1);
/// let fiber = fiber::spawn(|| 2);
/// let sum = fiber::block_on(async { *local + fiber.await.unwrap() });
/// assert_eq!(sum, 3);
/// # });
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let alert = Arc::new(select::Alert::new());
    let waker = Waker::from(alert.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        alert.lower();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            crate::sched::io::charge();
            return output;
        }
        select::wait_for_alert(&alert);
    }
}

/// The end of a fiber as a future: what awaiting a [`JoinHandle`] makes of it. Dropping it detaches the fiber.
#[must_use = "a future does nothing until it is polled"]
pub struct JoinFuture<T> {
    /// `None` once it has given the result.
    handle: Option<JoinHandle<T>>,
    registered: bool,
}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JoinFuture<T>;

    fn into_future(self) -> JoinFuture<T> {
        JoinFuture { handle: Some(self), registered: false }
    }
}

impl<T> JoinFuture<T> {
    fn unregister(&mut self) {
        if std::mem::take(&mut self.registered)
            && let Some(handle) = &self.handle
        {
            handle.fiber_ref().join.unregister();
        }
    }
}

impl<T> Future for JoinFuture<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.unregister();
        let fiber = self.handle.as_ref().expect("a future is not polled after it has completed").fiber_ref();
        let registered = !fiber.join.is_done() && fiber.join.register(Waiter::Task(context.waker().clone()));
        self.registered = registered;
        match registered {
            true => Poll::Pending,
            false => Poll::Ready(self.handle.take().expect("it was there").join()),
        }
    }
}

impl<T> Drop for JoinFuture<T> {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl<T> fmt::Debug for JoinFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFuture").field("handle", &self.handle).finish_non_exhaustive()
    }
}
