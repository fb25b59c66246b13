//! The traits of `hyper`'s `rt`: connections, timers, and an executor.

use super::{Async, Sleep, Stream, sleep, sleep_until};
use crate::net::attempt;
use crate::task::{block_on, spawn};
use hyper::rt::{Executor, Read, ReadBufCursor, Timer, Write};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// With the feature `hyper`.
impl<T: Stream + Unpin> Read for Async<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // SAFETY: `receive` does not uninitialise what is there.
        let room = unsafe { buf.as_mut() };
        let received = ready!(self.get_mut().poll_receive(context, |fd| attempt::receive(fd, room)))?;
        // SAFETY: `receive` has initialised so many bytes at the beginning of the unfilled part.
        unsafe { buf.advance(received) };
        Poll::Ready(Ok(()))
    }
}

/// With the feature `hyper`. Flushing does nothing, shutting down ends the writing direction.
impl<T: Stream + Unpin> Write for Async<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end_writing())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send_vectored(context, bufs)
    }
}

/// With the feature `hyper`.
impl hyper::rt::Sleep for Sleep {}

/// The timer for `hyper`: its sleeps are [`Sleep`]. With the feature `hyper`.
///
/// ```
/// use fiber::future::FiberTimer;
/// use hyper::rt::Timer;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// // For instance `http1::Builder::new().timer(FiberTimer)`, which then keeps its time limits with it:
/// fiber::block_on(FiberTimer.sleep(std::time::Duration::from_millis(1)));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FiberTimer;

impl Timer for FiberTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep_until(deadline))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// The executor for `hyper`: each future is run by a fiber of its own, with [`block_on`](crate::block_on). With the feature `hyper`.
///
/// The fiber is detached: a panic in the future is reported on standard error.
///
/// # Panics
///
/// `execute`, as [`spawn`](crate::spawn): on a thread, where no runtime is up.
///
/// ```
/// use fiber::future::FiberExecutor;
/// use hyper::rt::Executor;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (sender, receiver) = fiber::sync::oneshot::channel();
/// FiberExecutor.execute(async move { drop(sender.send(fiber::current().id())) });
/// assert_ne!(receiver.recv().unwrap(), fiber::current().id());
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FiberExecutor;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for FiberExecutor {
    fn execute(&self, future: F) {
        // Its result, which nobody asks for, is dropped on the fiber.
        drop(spawn(move || drop(block_on(future))));
    }
}
