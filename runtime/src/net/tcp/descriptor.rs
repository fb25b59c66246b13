//! To and from descriptors and std's types.
//!
//! What a descriptor brings with it (its mode, its time limits) is kept, as std keeps it, because the kernel has it.

use super::{TcpListener, TcpStream};
use std::net;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

macro_rules! descriptor {
    ($kind:ty) => {
        impl AsFd for $kind {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.inner.as_fd()
            }
        }

        impl AsRawFd for $kind {
            fn as_raw_fd(&self) -> RawFd {
                self.inner.as_raw_fd()
            }
        }

        impl FromRawFd for $kind {
            unsafe fn from_raw_fd(fd: RawFd) -> Self {
                // SAFETY: the caller vouches for the descriptor.
                Self::from(unsafe { OwnedFd::from_raw_fd(fd) })
            }
        }

        impl IntoRawFd for $kind {
            fn into_raw_fd(self) -> RawFd {
                self.inner.into_raw_fd()
            }
        }

        impl From<OwnedFd> for $kind {
            fn from(fd: OwnedFd) -> Self {
                Self::adopted(fd.into())
            }
        }

        impl From<$kind> for OwnedFd {
            fn from(socket: $kind) -> OwnedFd {
                socket.inner.into()
            }
        }
    };
}

descriptor!(TcpStream);
descriptor!(TcpListener);

/// The same socket, with its settings.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let made_by_std = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let stream = fiber::net::TcpStream::from(made_by_std);
/// # stream.peer_addr()?;
/// # Ok(())
/// # }).unwrap();
/// ```
impl From<net::TcpStream> for TcpStream {
    fn from(stream: net::TcpStream) -> TcpStream {
        TcpStream::adopted(stream)
    }
}

/// The same socket, with its settings.
impl From<TcpStream> for net::TcpStream {
    fn from(stream: TcpStream) -> net::TcpStream {
        stream.inner
    }
}

/// The same socket, with its settings.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let made_by_std = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let listener = fiber::net::TcpListener::from(made_by_std);
/// # listener.local_addr()?;
/// # Ok(())
/// # }).unwrap();
/// ```
impl From<net::TcpListener> for TcpListener {
    fn from(listener: net::TcpListener) -> TcpListener {
        TcpListener::adopted(listener)
    }
}

/// The same socket, with its settings.
impl From<TcpListener> for net::TcpListener {
    fn from(listener: TcpListener) -> net::TcpListener {
        listener.inner
    }
}
