//! Copying by the kernel.
#![allow(unsafe_code, reason = "submits an operation")]

use super::end::End;
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{charge, poll, wait};
use crate::sys::splice::{Kind, advance, between_files, between_pipes, kind, position};
use crate::task::try_blocking;
use std::io;
use std::os::fd::AsRawFd;

/// The most to move at once between pipes, or by an operation: as much as a pipe can be made to hold without privileges (pipe(7)).
const PIECE: usize = 1 << 20;
/// The most to copy in one call on the pool, which nothing interrupts.
const STRETCH: usize = 16 << 20;

/// A way for the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// From pipe to pipe.
    Pipes,
    /// From or to a pipe.
    Splice,
    /// From file to file.
    Files,
    /// From a file to a connection.
    Send,
}

/// The way between these two, if there is one.
pub(super) fn route(from: &End<'_>, to: &End<'_>) -> Option<Route> {
    match (kind(from.fd), kind(to.fd)) {
        (Kind::Pipe, Kind::Pipe) => Some(Route::Pipes),
        (Kind::Pipe, Kind::File) | (Kind::File, Kind::Pipe) => Some(Route::Splice),
        (Kind::File, Kind::File) => Some(Route::Files),
        (Kind::File, Kind::Socket) => {
            let (file, connection) = from.file.zip(to.connection.as_ref())?;
            connection.pays(file, position(from.fd)?).then_some(Route::Send)
        }
        _ => None,
    }
}

impl Route {
    /// Copies all. Nothing, if the kernel had nothing or did not want to: then a buffer has to find out.
    pub(super) fn copy(self, from: &End<'_>, to: &End<'_>) -> io::Result<Option<u64>> {
        let mut copied = 0;
        loop {
            match self.step(from, to) {
                Ok(0) => return Ok((copied > 0).then_some(copied)),
                Ok(n) => copied += n as u64,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => (),
                    // Not between these two, or not on this system: no such call, another file system, a file that is appended to, a
                    // special one.
                    Some(libc::EINVAL | libc::ENOSYS | libc::EPERM | libc::EXDEV | libc::EBADF | libc::EOPNOTSUPP)
                        if copied == 0 =>
                    {
                        return Ok(None);
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn step(self, from: &End<'_>, to: &End<'_>) -> io::Result<usize> {
        let _turns = (
            from.file.map(|file| file.turn()).transpose()?.flatten(),
            to.file.map(|file| file.turn()).transpose()?.flatten(),
        );
        match self {
            Route::Pipes => match between_pipes(from.fd, to.fd, PIECE) {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                    // One of them is not ready, and the system does not say which.
                    poll(from.fd, libc::POLLIN, Reason::Copy, None)?;
                    poll(to.fd, libc::POLLOUT, Reason::Copy, None)?;
                    Err(io::Error::from_raw_os_error(libc::EINTR))
                }
                result => {
                    charge();
                    result
                }
            },
            Route::Splice => {
                // An operation waits on a thread of the kernel's: so not before there is something to do, where that can be known.
                poll(from.fd, libc::POLLIN, Reason::Copy, None)?;
                poll(to.fd, libc::POLLOUT, Reason::Copy, None)?;
                let (offset, len) = (Operation::CURRENT, PIECE as u32);
                let operation = Operation::Splice { from: from.fd.as_raw_fd(), offset, to: to.fd.as_raw_fd(), len };
                // SAFETY: no memory is named.
                unsafe { wait(operation, Reason::Copy, None) }.map(|n| n as usize)
            }
            Route::Send => {
                let (Some(file), Some(connection), Some(position)) = (from.file, &to.connection, position(from.fd))
                else {
                    unreachable!("such a route is between a file and a connection")
                };
                let sent = connection.send_by_kernel(file, position, u64::MAX)?;
                let sent = sent.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
                advance(from.fd, sent)?;
                Ok(usize::try_from(sent).unwrap_or(usize::MAX))
            }
            Route::Files => try_blocking(Reason::Copy, || between_files(from.fd, to.fd, STRETCH)),
        }
    }
}
