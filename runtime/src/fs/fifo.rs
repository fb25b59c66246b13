//! Opening a FIFO where the driver does not do it: without holding anybody until its other end is open.
//!
//! A plain call waits for the other end, and nothing can end that but the other end. One in non-blocking mode does not wait, so it is made
//! again until there is somebody (writing), or made once and then watched (reading). Who opens the other end sees the same as with a
//! plain call: a reader, or a writer, that is there.

use crate::fiber::Reason;
use crate::sched::io::ask_patiently;
use crate::sys::errno::last_error;
use crate::task::try_blocking;
use std::fs;
use std::io::{self, PipeWriter};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// What a call that was made for a fiber found.
pub(super) enum Found {
    /// What was to be opened.
    File(fs::File),
    /// A FIFO, which was not opened.
    Fifo,
}

/// Opens what is no FIFO that would keep the caller waiting. `flags` are those of `open`, which the options stand for.
pub(super) fn open_unless_fifo(options: &fs::OpenOptions, path: &Path, flags: i32) -> io::Result<Found> {
    let alone = flags & libc::O_ACCMODE != libc::O_RDWR;
    if alone
        && flags & (libc::O_NONBLOCK | libc::O_PATH) == 0
        && fs::metadata(path).is_ok_and(|at| at.file_type().is_fifo())
    {
        return Ok(Found::Fifo);
    }
    options.open(path).map(Found::File)
}

/// Opens a FIFO on a fiber, and waits until its other end is open.
///
/// # Errors
///
/// As opening it; that of a cancellation or of a time limit around the call.
pub(super) fn open(options: &fs::OpenOptions, path: &Path, flags: i32) -> io::Result<fs::File> {
    let mut options = options.clone();
    options.custom_flags(flags & !libc::O_ACCMODE | libc::O_NONBLOCK);
    let attempt = || try_blocking(Reason::Open, || options.open(path));
    let file = if flags & libc::O_ACCMODE == libc::O_WRONLY {
        ask_patiently(Reason::Open, || match attempt() {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            result => result.map(Some),
        })?
    } else {
        let file = attempt()?;
        let (_reader, scrap) = io::pipe()?;
        ask_patiently(Reason::Open, || Ok(has_had_writer(&file, &scrap)?.then_some(())))?;
        file
    };
    let nonblocking: libc::c_int = 0;
    // SAFETY: the kernel reads the number, during the call.
    match unsafe { libc::ioctl(file.as_raw_fd(), libc::FIONBIO, &raw const nonblocking) } {
        0 => Ok(file),
        _ => Err(last_error()),
    }
}

/// Whether a FIFO that was opened for reading has a writer, or has had one since.
fn has_had_writer(fifo: &fs::File, scrap: &PipeWriter) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: fifo.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the kernel reads and writes the one entry, during the call.
    match unsafe { libc::poll(&raw mut entry, 1, 0) } {
        0 => (),
        1.. => return Ok(true),
        _ => return Err(last_error()),
    }
    // Copies what is there, which is nothing, and with that tells a FIFO without a writer, which is at its end, from an empty one.
    // SAFETY: no memory is passed.
    let copied = unsafe { libc::tee(fifo.as_raw_fd(), scrap.as_raw_fd(), 1, libc::SPLICE_F_NONBLOCK) };
    match copied {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match last_error() {
            error if error.raw_os_error() == Some(libc::EAGAIN) => Ok(true),
            error => Err(error),
        },
    }
}
