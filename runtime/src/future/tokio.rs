//! The traits of `tokio`.

use super::{Async, Stream};
use crate::net::attempt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// With the feature `tokio`. Needs no runtime of Tokio's.
impl<T: Stream + Unpin> AsyncRead for Async<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // SAFETY: `receive` does not uninitialise what is there.
        let room = unsafe { buf.unfilled_mut() };
        let received = ready!(self.get_mut().poll_receive(context, |fd| attempt::receive(fd, room)))?;
        // SAFETY: `receive` has initialised so many bytes at the beginning of the unfilled part.
        unsafe { buf.assume_init(received) };
        buf.advance(received);
        Poll::Ready(Ok(()))
    }
}

/// With the feature `tokio`. Flushing does nothing, shutting down ends the writing direction.
impl<T: Stream + Unpin> AsyncWrite for Async<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end_writing())
    }
}
