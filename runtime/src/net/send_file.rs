//! From a file to a connection, without a way through the program's memory.
#![allow(unsafe_code, reason = "submits operations")]

use super::connection::Connection;
use super::socket;
use super::{TcpStream, UnixStream};
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::fs::File;
use crate::os::unix::fs::FileExt;
use crate::sched::io::{going_on, on_fiber, poll, supports, wait};
use crate::sys::splice::size;
use std::io::{self, ErrorKind, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How much passes at once: what a pipe can be made to hold without privileges (pipe(7)).
const PIECE: usize = 1 << 20;
/// How much passes at once where it takes the way through the program's memory.
const BUFFER: usize = 64 << 10;

/// The kernel does not move data from this file to this socket.
struct Unable;

/// When the time limit of the socket passes.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn left(self) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl Connection<'_> {
    /// Sends so much of the file from this offset on, or what there is. Less, if something comes between after a part was sent.
    fn send(&self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        if len > BUFFER as u64
            && self.pays(file, offset)
            && let Some(sent) = self.send_by_kernel(file, offset, len)?
        {
            return Ok(sent);
        }
        self.send_through_buffer(file, offset, len)
    }

    /// Whether to have the kernel send what is in the file from this offset on.
    pub(crate) fn pays(&self, file: &File, offset: u64) -> bool {
        let left = size(file.as_fd()).saturating_sub(offset);
        on_fiber()
            && left > BUFFER as u64
            && self.mode.sending().waits
            && supports(&splice(file.as_fd(), 0, self.socket, 0))
    }

    /// As [`send`](Self::send), without a way through the program's memory. Nothing if that cannot be, and nothing was sent.
    pub(crate) fn send_by_kernel(&self, file: &File, offset: u64, len: u64) -> io::Result<Option<u64>> {
        let deadline = Deadline(self.mode.sending().timeout.map(|timeout| Instant::now() + timeout));
        let mut sent = 0;
        match self.by_kernel(file, offset, len, deadline, &mut sent) {
            Ok(Ok(())) => Ok(Some(sent)),
            Ok(Err(Unable)) => Ok(None),
            // The error, if it stays, comes with the next call.
            Err(_) if sent > 0 => Ok(Some(sent)),
            Err(error) => Err(socket::as_std_times_out(error)),
        }
    }

    fn by_kernel(
        &self,
        file: &File,
        offset: u64,
        len: u64,
        deadline: Deadline,
        sent: &mut u64,
    ) -> io::Result<Result<(), Unable>> {
        // Without a descriptor for it, too, the file can be sent.
        let Ok((out, into)) = pipe() else { return Ok(Err(Unable)) };
        while *sent < len {
            let piece = PIECE.min(usize::try_from(len - *sent).unwrap_or(PIECE));
            let from = splice(file.as_fd(), offset + *sent, into.as_fd(), piece);
            let mut inside = match going_on(*sent > 0, || operate(from, deadline)) {
                Ok(0) => break,
                Ok(taken) => taken,
                Err(error) if *sent == 0 && is_unable(&error) => return Ok(Err(Unable)),
                Err(error) => return Err(error),
            };
            while inside > 0 {
                // An operation waits on a thread of the kernel's: so not before there is room.
                let room = || poll(self.socket, libc::POLLOUT, Reason::SendFile, deadline.left());
                going_on(*sent > 0, room)?;
                let from = splice(out.as_fd(), Operation::CURRENT, self.socket, inside);
                match going_on(*sent > 0, || operate(from, deadline)) {
                    Ok(gone) => {
                        inside -= gone;
                        *sent += gone as u64;
                    }
                    Err(error) if *sent == 0 && is_unable(&error) => return Ok(Err(Unable)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Ok(()))
    }

    fn send_through_buffer(&self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        let mut buffer = vec![0; BUFFER.min(usize::try_from(len).unwrap_or(BUFFER))];
        let mut sent = 0;
        while sent < len {
            let piece = buffer.len().min(usize::try_from(len - sent).unwrap_or(BUFFER));
            let step = || match file.read_at(&mut buffer[..piece], offset.saturating_add(sent))? {
                0 => Ok(0),
                read => self.write(&buffer[..read]),
            };
            let step = going_on(sent > 0, step);
            match step {
                Ok(0) => break,
                Ok(more) => sent += more as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                // The error, if it stays, comes with the next call.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        if on_fiber() {
            socket::send(self.socket, buf, &self.mode.sending())
        } else {
            socket::send_plainly(self.socket, buf)
        }
    }
}

/// One operation, made again after a signal.
fn operate(operation: Operation, deadline: Deadline) -> io::Result<usize> {
    loop {
        // SAFETY: no memory is named.
        match unsafe { wait(operation, Reason::SendFile, deadline.left()) } {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            result => return result.map(|moved| moved as usize),
        }
    }
}

/// A pipe as wide as it may be.
fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (out, into) = io::pipe()?;
    // SAFETY: no memory is passed. Where this user has too many wide pipes, it stays narrow.
    unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, PIECE as libc::c_int) };
    Ok((out, into))
}

fn splice(from: BorrowedFd<'_>, offset: u64, to: BorrowedFd<'_>, len: usize) -> Operation {
    Operation::Splice { from: from.as_raw_fd(), offset, to: to.as_raw_fd(), len: len as u32 }
}

/// Not between these two, or not on this system.
fn is_unable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM | libc::ESPIPE | libc::EOPNOTSUPP))
}

macro_rules! send_file {
    ($kind:ident, $pair:literal) => {
        impl $kind {
            /// Sends so much of the file, from this offset on, or what there is of it; returns how much that was. As sendfile(2).
            ///
            /// The position of the file is neither used nor changed. Suspends the fiber until all is on its way.
            ///
            /// On a fiber whose runtime waits by io_uring the kernel moves the data from the file to the connection (`splice`, through a pipe), if
            /// it is more than 64 KiB and the file is one that can be spliced: in two thirds of the time, and with a tenth of the worker's. (16 MiB in
            /// memory, over loopback, Linux 6.18; threads of the kernel's do the rest.) Otherwise it goes through a buffer of 64 KiB.
            ///
            /// # Errors
            ///
            /// Of reading the file and of writing to the connection, unless a part was sent before: then the number of its bytes is returned, and
            /// the error, if it stays, comes with the next call. That of a cancellation or of a time limit around the call, in the same way.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::io::Read;
            ///
            /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
            #[doc = $pair]
            /// # let path = std::env::temp_dir().join(format!("fiber-send-file-{}-{}", std::process::id(), stringify!($kind)));
            /// fiber::fs::write(&path, "the contents of a file")?;
            /// let file = fiber::fs::File::open(&path)?;
            /// # fiber::fs::remove_file(&path)?;
            /// assert_eq!(stream.send_file(&file, 4, u64::MAX)?, 18);
            /// drop(stream);
            /// let mut received = String::new();
            /// peer.read_to_string(&mut received)?;
            /// assert_eq!(received, "contents of a file");
            /// # Ok(())
            /// # }).unwrap();
            /// ```
            pub fn send_file(&self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
                self.connection().send(file, offset, len)
            }
        }
    };
}

send_file!(
    TcpStream,
    "\
# let listener = fiber::net::TcpListener::bind(\"127.0.0.1:0\")?;
let stream = fiber::net::TcpStream::connect(listener.local_addr()?)?;
# let (mut peer, _) = listener.accept()?;"
);
send_file!(UnixStream, "let (stream, mut peer) = fiber::net::UnixStream::pair()?;");
