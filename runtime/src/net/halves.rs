//! One connection in two hands.
//!
//! `Read` and `Write` are implemented for references to streams, so a half is a reference, or a share, that can do one of the two.
#![deny(unsafe_code)]

use super::{Shutdown, TcpStream, UnixStream};
use std::error::Error;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::{fmt, mem};

/// The reading half of a stream that is borrowed: by [`TcpStream::split`] or [`UnixStream::split`](super::UnixStream::split).
///
/// What is not reading (addresses, time limits, [`readable`](TcpStream::readable)) is on the stream: [`as_ref`](AsRef::as_ref).
#[derive(Debug)]
pub struct ReadHalf<'a, S>(&'a S);

/// The writing half of a stream that is borrowed: by [`TcpStream::split`] or [`UnixStream::split`](super::UnixStream::split).
///
/// What is not writing is on the stream: [`as_ref`](AsRef::as_ref). Dropping it ends nothing.
#[derive(Debug)]
pub struct WriteHalf<'a, S>(&'a S);

/// The reading half of a stream, by [`TcpStream::into_split`] or [`UnixStream::into_split`](super::UnixStream::into_split).
///
/// What is not reading (addresses, time limits, [`readable`](TcpStream::readable)) is on the stream: [`as_ref`](AsRef::as_ref). The connection is
/// closed when both halves are dropped.
#[derive(Debug)]
pub struct OwnedReadHalf<S>(Arc<S>);

/// The writing half of a stream, by [`TcpStream::into_split`] or [`UnixStream::into_split`](super::UnixStream::into_split).
///
/// Dropping it shuts the stream down for writing: the other side sees the end. (As Tokio's does; [`forget`](Self::forget) does not.) The
/// connection is closed when both halves are dropped.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Stream> {
    stream: Arc<S>,
    /// Whether the end of this half ends the stream's writing.
    ends: bool,
}

/// A stream that can be split: [`TcpStream`] and [`UnixStream`]. Not to be implemented elsewhere.
pub trait Stream: sealed::Sealed {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

mod sealed {
    use crate::net::Shutdown;

    pub trait Sealed {
        fn shut_down(&self, how: Shutdown) -> std::io::Result<()>;
    }
}

/// Two halves that are not of one stream: the error of [`OwnedReadHalf::reunite`].
///
/// ```
/// use fiber::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (one, other) = UnixStream::pair()?;
/// let (reader, _) = one.into_split();
/// let (_, writer) = other.into_split();
/// let error = reader.reunite(writer).unwrap_err();
/// assert_eq!(error.to_string(), "the halves are of different streams");
/// let (_reader, _writer) = (error.0, error.1);
/// # Ok(())
/// # }
/// ```
pub struct ReuniteError<S: Stream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

/// The methods of a stream that make halves.
macro_rules! split {
    ($kind:ident, $pair:literal) => {
        impl sealed::Sealed for $kind {
            fn shut_down(&self, how: Shutdown) -> io::Result<()> {
                self.shutdown(how)
            }
        }

        impl $kind {
            /// A half that reads and one that writes, for as long as the stream is borrowed: for the two fibers of a
            /// [`scope`](crate::scope()), one of which may be the caller's.
            ///
            /// They are not more than references to the stream, of which reading and writing are implemented as well; but neither does by
            /// accident what is the other's.
            ///
            /// ```
            /// use std::io::{Read, Write};
            ///
            /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
            #[doc = $pair]
            /// # drop(fiber::spawn(move || std::io::copy(&mut &other, &mut &other)));
            /// let (mut reader, mut writer) = stream.split();
            /// fiber::scope(|s| {
            ///     s.spawn(|| writer.write_all(b"there and back").unwrap());
            ///     let mut back = [0; 14];
            ///     reader.read_exact(&mut back).unwrap();
            ///     assert_eq!(&back, b"there and back");
            /// });
            /// # Ok(())
            /// # }).unwrap();
            /// ```
            pub fn split(&mut self) -> (ReadHalf<'_, $kind>, WriteHalf<'_, $kind>) {
                (ReadHalf(self), WriteHalf(self))
            }

            /// A half that reads and one that writes, each with an owner of its own.
            ///
            /// When the writing half is dropped, the stream is shut down for writing, so that the other side sees the end.
            /// [`OwnedReadHalf::reunite`] makes one stream of both again. Costs one allocation, and no descriptor (as
            /// [`try_clone`](Self::try_clone) would).
            ///
            /// ```
            /// use std::io::{Read, Write};
            ///
            /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
            #[doc = $pair]
            /// # drop(fiber::spawn(move || std::io::copy(&mut &other, &mut &other)));
            /// let (mut reader, mut writer) = stream.into_split();
            /// fiber::spawn(move || writer.write_all(b"there and back"));
            /// let mut back = String::new();
            /// reader.read_to_string(&mut back)?;
            /// assert_eq!(back, "there and back");
            /// # Ok(())
            /// # }).unwrap();
            /// ```
            pub fn into_split(self) -> (OwnedReadHalf<$kind>, OwnedWriteHalf<$kind>) {
                let stream = Arc::new(self);
                (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, ends: true })
            }
        }
    };
}

split!(
    TcpStream,
    "\
# let listener = fiber::net::TcpListener::bind(\"127.0.0.1:0\")?;
let mut stream = fiber::net::TcpStream::connect(listener.local_addr()?)?;
# let (other, _) = listener.accept()?;"
);
split!(UnixStream, "let (mut stream, other) = fiber::net::UnixStream::pair()?;");

impl<S: Stream> OwnedReadHalf<S> {
    /// Makes one stream of both halves again, which is not shut down.
    ///
    /// ```
    /// use fiber::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (stream, _other) = UnixStream::pair()?;
    /// let (reader, writer) = stream.into_split();
    /// let _stream: UnixStream = reader.reunite(writer).expect("they are of one stream");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If they are of different streams, with both.
    pub fn reunite(self, writer: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.0, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        writer.forget();
        Ok(Arc::into_inner(self.0).expect("a stream has two halves, and the other one is gone"))
    }
}

impl<S: Stream> OwnedWriteHalf<S> {
    /// Makes one stream of both halves again. As [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// As [`OwnedReadHalf::reunite`].
    pub fn reunite(self, reader: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
        reader.reunite(self)
    }

    /// Drops the half and leaves the stream as it is.
    pub fn forget(mut self) {
        self.ends = false;
    }
}

impl<S: Stream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if mem::take(&mut self.ends) {
            // The other side may have ended the connection before.
            let _ = self.stream.shut_down(Shutdown::Write);
        }
    }
}

/// What halves have in common: the stream.
macro_rules! half {
    ([$($generics:tt)*] $half:ty, $this:ident => $stream:expr) => {
        impl<$($generics)*> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                let $this = self;
                $stream
            }
        }

        impl<$($generics)* + AsFd> AsFd for $half {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_ref().as_fd()
            }
        }
    };
}

/// Reading, as the stream does it.
macro_rules! reads {
    ([$($generics:tt)*] $half:ty) => {
        impl<$($generics)*> Read for $half
        where
            for<'s> &'s S: Read,
        {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_ref().read_vectored(bufs)
            }
        }
    };
}

/// Writing, as the stream does it.
macro_rules! writes {
    ([$($generics:tt)*] $half:ty) => {
        impl<$($generics)*> Write for $half
        where
            for<'s> &'s S: Write,
        {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.as_ref().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.as_ref().write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.as_ref().flush()
            }
        }
    };
}

half!(['a, S: Stream] ReadHalf<'a, S>, half => half.0);
half!(['a, S: Stream] WriteHalf<'a, S>, half => half.0);
half!([S: Stream] OwnedReadHalf<S>, half => &half.0);
half!([S: Stream] OwnedWriteHalf<S>, half => &half.stream);
reads!(['a, S: Stream] ReadHalf<'a, S>);
reads!([S: Stream] OwnedReadHalf<S>);
writes!(['a, S: Stream] WriteHalf<'a, S>);
writes!([S: Stream] OwnedWriteHalf<S>);

impl<S: Stream> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: Stream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl<S: Stream> Error for ReuniteError<S> {}
