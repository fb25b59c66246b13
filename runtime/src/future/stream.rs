//! A stream that is polled.
#![deny(unsafe_code)]

use crate::net::{Shutdown, TcpStream, UnixStream, attempt};
use crate::sched::io::may_go_on;
use crate::sched::lookout::{Lookout, Sight};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::task::{Context, Poll, ready};

/// A stream for async code: [`TcpStream`] or [`UnixStream`], read and written by polling.
///
/// With the features `futures-io`, `tokio` and `hyper` it has their traits, so it goes where a library wants an `AsyncRead + AsyncWrite`
/// or a connection. Without, it has the methods below. It works on fibers, on threads and under other executors, as [the module](super) says.
///
/// What the wrapped stream's mode and time limits say does not count here: nothing ever blocks, and a limit is set around the future. The
/// descriptor stays in the mode that it is in, so the stream can be used directly again afterwards ([`into_inner`](Self::into_inner)), or by its
/// other handles meanwhile. For two tasks, one in each direction, wrap two handles ([`TcpStream::try_clone`]).
///
/// ```
/// use fiber::future::Async;
/// use fiber::net::UnixStream;
/// use std::io::Read;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// let mut near = Async::new(near);
/// fiber::block_on(near.write(b"to a fiber that reads"))?;
/// drop(near);
/// let mut text = String::new();
/// far.read_to_string(&mut text)?;
/// assert_eq!(text, "to a fiber that reads");
/// # Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Async<T> {
    // Before the stream, so that they are taken back while its descriptor is open.
    reading: Direction,
    writing: Direction,
    inner: T,
}

/// What [`Async`] can read from and write to: [`TcpStream`] and [`UnixStream`]. It cannot be implemented elsewhere.
pub trait Stream: AsFd + sealed::Sealed {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

mod sealed {
    use super::*;

    pub trait Sealed {
        fn end_writing(&self) -> io::Result<()>;
    }

    impl Sealed for TcpStream {
        fn end_writing(&self) -> io::Result<()> {
            self.shutdown(Shutdown::Write)
        }
    }

    impl Sealed for UnixStream {
        fn end_writing(&self) -> io::Result<()> {
            self.shutdown(Shutdown::Write)
        }
    }
}

impl<T> Async<T> {
    /// A stream for async code. Makes no call to the system.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (near, far) = UnixStream::pair()?;
    /// let streams = [Async::new(near), Async::from(far)];
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: T) -> Async<T> {
        Async { reading: Direction::default(), writing: Direction::default(), inner }
    }

    /// The stream.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The stream, for those of its methods that take it mutably. Reading and writing with `std::io`'s traits suspends the fiber, so not
    /// in a future.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The stream, to be used directly again. Nothing is buffered in between.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    /// use std::io::{Read, Write};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, mut far) = UnixStream::pair()?;
    /// far.write_all(b"abcdef")?;
    /// let mut buf = [0; 3];
    /// let mut near = Async::new(near);
    /// assert_eq!(fiber::block_on(near.read(&mut buf))?, 3);
    /// near.into_inner().read_exact(&mut buf)?;
    /// assert_eq!(&buf, b"def");
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsFd> Async<T> {
    /// Completes when there is something to read, or the stream has ended or failed. For any type with a descriptor that can be polled, such as a
    /// listener. A hint: who reads then may still find nothing.
    ///
    /// # Errors
    ///
    /// What the system reports of a descriptor that it cannot poll.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let mut listener = Async::new(TcpListener::bind("127.0.0.1:0")?);
    /// let client = TcpStream::connect(listener.get_ref().local_addr()?)?;
    /// fiber::block_on(listener.readable())?;
    /// let (server, address) = listener.get_ref().accept()?;
    /// assert_eq!(client.local_addr()?, address);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|context| self.reading.poll_ready(self.inner.as_fd(), libc::POLLIN, context)).await
    }

    /// Completes when there is room to write to, or the stream has failed. As [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, _far) = UnixStream::pair()?;
    /// fiber::block_on(Async::new(near).writable())?;
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn writable(&mut self) -> io::Result<()> {
        poll_fn(|context| self.writing.poll_ready(self.inner.as_fd(), libc::POLLOUT, context)).await
    }
}

impl<T: Stream> Async<T> {
    /// Reads what is there, or waits for something. Zero is the end of the stream. Dropped before it completes, it has read nothing.
    ///
    /// # Errors
    ///
    /// As reading from the stream.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, far) = UnixStream::pair()?;
    /// let mut near = Async::new(near);
    /// drop(far);
    /// assert_eq!(fiber::block_on(near.read(&mut [0; 8]))?, 0);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_receive(context, |fd| attempt::receive_over(fd, buf))).await
    }

    /// Hands some of the data to the system, waiting while there is room for none, and says how much. Dropped before it completes, it has
    /// written nothing.
    ///
    /// # Errors
    ///
    /// As writing to the stream.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, _far) = UnixStream::pair()?;
    /// assert_eq!(fiber::block_on(Async::new(near).write(b"there is room"))?, 13);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_send(context, buf)).await
    }

    /// As [`write`](Self::write), from several buffers.
    ///
    /// # Errors
    ///
    /// As writing to the stream.
    ///
    /// ```
    /// use fiber::future::Async;
    /// use fiber::net::UnixStream;
    /// use std::io::IoSlice;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, _far) = UnixStream::pair()?;
    /// let parts = [IoSlice::new(b"length: 4, "), IoSlice::new(b"body")];
    /// assert_eq!(fiber::block_on(Async::new(near).write_vectored(&parts))?, 15);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        poll_fn(|context| self.poll_send_vectored(context, bufs)).await
    }

    pub(super) fn poll_receive<R>(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.reading.poll(self.inner.as_fd(), libc::POLLIN, context, attempt)
    }

    pub(super) fn poll_send(&mut self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writing.poll(self.inner.as_fd(), libc::POLLOUT, context, |fd| attempt::send(fd, buf))
    }

    pub(super) fn poll_send_vectored(
        &mut self,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing.poll(self.inner.as_fd(), libc::POLLOUT, context, |fd| attempt::send_vectored(fd, bufs))
    }

    /// Tells the peer that no more will come.
    #[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
    pub(super) fn end_writing(&self) -> io::Result<()> {
        match self.inner.end_writing() {
            // The connection has ended altogether.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl<T> From<T> for Async<T> {
    fn from(inner: T) -> Async<T> {
        Async::new(inner)
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// The wait in one direction, while there is one.
#[derive(Default)]
struct Direction(Option<Lookout>);

impl Direction {
    /// Makes the attempt, now or when the descriptor is ready for it.
    fn poll<R>(
        &mut self,
        fd: BorrowedFd<'_>,
        events: i16,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        ready!(self.poll_begun(context))?;
        if !may_go_on() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match attempt(fd) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.begin(fd, events, context)?;
                    return Poll::Pending;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_ready(&mut self, fd: BorrowedFd<'_>, events: i16, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.is_none() {
            self.begin(fd, events, context)?;
            return Poll::Pending;
        }
        self.poll_begun(context)
    }

    fn begin(&mut self, fd: BorrowedFd<'_>, events: i16, context: &Context<'_>) -> io::Result<()> {
        let sight = Sight::Ready { fd: fd.as_raw_fd(), events };
        self.0 = Some(Lookout::begin(sight, context.waker().clone())?);
        Ok(())
    }

    /// Whether the wait is over, if there is one.
    fn poll_begun(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let Some(lookout) = &self.0 else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(lookout.poll(context));
        self.0 = None;
        Poll::Ready(match -result {
            // The wait came to nothing, which says nothing of the descriptor.
            libc::ECANCELED | libc::EINTR => Ok(()),
            errno if errno > 0 => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        })
    }
}

impl std::fmt::Debug for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "waiting" } else { "idle" })
    }
}
