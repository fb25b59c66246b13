//! Copying by the kernel.
#![allow(unsafe_code, reason = "submits an operation")]

use super::end::End;
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::net::as_std_times_out;
use crate::sched::io::{charge, poll, supports, wait};
use crate::sys::splice::{
    Kind, advance, between_files, into_pipe, is_local_stream, is_nonblocking, kind, position, ready,
};
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
    /// Into a pipe, from another or a local connection: by calls that do not wait.
    IntoPipe,
    /// From or to a pipe.
    Splice,
    /// From file to file.
    Files,
    /// From a file to a connection.
    Send,
    /// From a connection into a pipe, by an operation.
    Receive,
}

/// The way between these two, if there is one.
pub(super) fn route(from: &End<'_>, to: &End<'_>) -> Option<Route> {
    match (kind(from.fd), kind(to.fd)) {
        (Kind::Pipe, Kind::Pipe) => waits(from, to).then_some(Route::IntoPipe),
        (Kind::Socket, Kind::Pipe) if is_local_stream(from.fd) => waits(from, to).then_some(Route::IntoPipe),
        (Kind::Pipe, Kind::File) | (Kind::File, Kind::Pipe) => Some(Route::Splice),
        (Kind::File, Kind::File) => Some(Route::Files),
        (Kind::Socket, Kind::Pipe) => (supports(&operation(from, to)) && waits(from, to)).then_some(Route::Receive),
        // From a pipe to a connection a buffer is quicker: the call that moves it waits for room although it is told not to, so that it has
        // to be an operation; and what it saves, one copy of data that is in the processor's cache, is less than that costs: twice the
        // time, and half as much again of the processors' (`benches/send.rs`, pieces of 4 and 64 KiB, Linux 6.18). Even the call itself, on
        // sockets in non-blocking mode, is no quicker than the buffer.
        (Kind::File, Kind::Socket) => {
            let (file, connection) = from.file.zip(to.connection.as_ref())?;
            connection.pays(file, position(from.fd)?).then_some(Route::Send)
        }
        _ => None,
    }
}

/// Whether transfers of both wait. Otherwise a buffer has to give the error of the one that does not.
fn waits(from: &End<'_>, to: &End<'_>) -> bool {
    [from, to].iter().all(|end| match &end.connection {
        Some(connection) => connection.waits(),
        None => !is_nonblocking(end.fd),
    })
}

fn operation(from: &End<'_>, to: &End<'_>) -> Operation {
    let (from, to) = (from.fd.as_raw_fd(), to.fd.as_raw_fd());
    Operation::Splice { from, offset: Operation::CURRENT, to, len: PIECE as u32 }
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
            Route::IntoPipe => match into_pipe(from.fd, to.fd, PIECE) {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                    // One of them is not ready, and the system does not say which.
                    let limit = from.connection.as_ref().and_then(|connection| connection.read_limit());
                    poll(from.fd, libc::POLLIN, Reason::Copy, limit).map_err(as_std_times_out)?;
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
                // SAFETY: no memory is named.
                unsafe { wait(operation(from, to), Reason::Copy, None) }.map(|n| n as usize)
            }
            Route::Receive => {
                let limit = from.connection.as_ref().and_then(|connection| connection.read_limit());
                // As above, with one look at both first: for most pieces there is something, and room.
                let (something, room) = ready(from.fd, to.fd);
                if !something {
                    poll(from.fd, libc::POLLIN, Reason::Copy, limit).map_err(as_std_times_out)?;
                }
                if !room {
                    poll(to.fd, libc::POLLOUT, Reason::Copy, None)?;
                }
                // SAFETY: no memory is named.
                match unsafe { wait(operation(from, to), Reason::Copy, limit) } {
                    // Somebody else took what there was, or the room: to be waited for again, each with its own limit.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EAGAIN)) => {
                        Err(io::Error::from_raw_os_error(libc::EINTR))
                    }
                    result => result.map(|n| n as usize),
                }
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
