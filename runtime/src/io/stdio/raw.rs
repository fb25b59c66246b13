//! One of the descriptors 0, 1 and 2, whatever it is at the moment.
#![allow(unsafe_code, reason = "lends memory to the kernel")]

use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{charge, on_fiber, poll, wait};
use crate::sys::errno::last_error;
use crate::task::try_blocking;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// The most that Linux transfers in one call (`MAX_RW_COUNT`).
const LONGEST: usize = 0x7fff_f000;

/// A standard stream without its buffer. As with std's, a descriptor that is closed is one at its end, which takes everything.
pub(super) struct Raw {
    fd: RawFd,
    reason: Reason,
}

/// Whether the process is ending: no fiber must be suspended then.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on every transfer is a plain call.
pub(super) fn end() {
    ENDING.store(true, Relaxed);
}

impl Raw {
    pub(super) const STDIN: Raw = Raw { fd: libc::STDIN_FILENO, reason: Reason::Stdin };
    pub(super) const STDOUT: Raw = Raw { fd: libc::STDOUT_FILENO, reason: Reason::Stdout };
    pub(super) const STDERR: Raw = Raw { fd: libc::STDERR_FILENO, reason: Reason::Stderr };

    /// Whether it is a file, whose position is shared with others.
    fn is_file(&self) -> bool {
        let mut stat = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the kernel writes to `stat`, during the call.
        let known = unsafe { libc::fstat(self.fd, stat.as_mut_ptr()) } == 0;
        // SAFETY: zeroes, partly overwritten by the kernel, are a value of a plain C type.
        known && matches!(unsafe { stat.assume_init() }.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFBLK)
    }

    /// Transfers `len` bytes at most: by `call`, which waits if need be; on a fiber by `at_once`, which does not, or by the operation.
    ///
    /// # Safety
    ///
    /// The memory that the operation names stays valid until this function returns or unwinds.
    unsafe fn transfer(
        &self,
        events: i16,
        operation: Operation,
        at_once: impl FnOnce() -> isize,
        call: impl FnOnce() -> io::Result<usize> + Send,
    ) -> io::Result<usize> {
        if !on_fiber() || ENDING.load(Relaxed) {
            return call();
        }
        if self.is_file() {
            return match usize::try_from(at_once()) {
                Ok(len) => {
                    charge();
                    Ok(len)
                }
                // It would wait, or the file system does not offer this.
                Err(_) => try_blocking(self.reason, call),
            };
        }
        loop {
            // SAFETY: the caller vouches for the memory; when this has returned, the kernel has given it back.
            match unsafe { wait(operation, self.reason, None) } {
                Ok(len) => return Ok(len as usize),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => (),
                    // Somebody, perhaps another process, has put it into non-blocking mode.
                    Some(libc::EAGAIN) => poll(self.as_fd(), events, self.reason, None)?,
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (fd, len) = (self.fd, buf.len().min(LONGEST));
        let operation = Operation::Read { fd, buf: buf.as_mut_ptr(), len, offset: Operation::CURRENT };
        let list = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: len };
        let at_once = || {
            // SAFETY: the buffer is borrowed, mutably, and the list is ours, during the call.
            unsafe { libc::preadv2(fd, &raw const list, 1, -1, libc::RWF_NOWAIT) }
        };
        let call = || {
            // SAFETY: the buffer is borrowed, mutably, during the call.
            count(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), len) })
        };
        // SAFETY: the buffer is borrowed, mutably, until this function returns or unwinds; one of the three touches it at a time.
        let result = unsafe { self.transfer(libc::POLLIN, operation, at_once, call) };
        unless_closed(result, 0)
    }
}

impl Write for Raw {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (fd, len) = (self.fd, buf.len().min(LONGEST));
        let operation = Operation::Write { fd, buf: buf.as_ptr(), len, offset: Operation::CURRENT };
        let list = libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: len };
        let at_once = || {
            // SAFETY: the buffer is borrowed and the list is ours, during the call, and the kernel only reads them.
            unsafe { libc::pwritev2(fd, &raw const list, 1, -1, libc::RWF_NOWAIT) }
        };
        let call = || {
            // SAFETY: the buffer is borrowed during the call.
            count(unsafe { libc::write(fd, buf.as_ptr().cast(), len) })
        };
        // SAFETY: the buffer is borrowed until this function returns or unwinds.
        let result = unsafe { self.transfer(libc::POLLOUT, operation, at_once, call) };
        unless_closed(result, buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the standard streams are nobody's to close; std lends them in the same way.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl AsRawFd for Raw {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// What a call returned, as std gives it.
fn count(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| last_error())
}

fn unless_closed(result: io::Result<usize>, otherwise: usize) -> io::Result<usize> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(otherwise),
        result => result,
    }
}

/// Calls `f` when the process ends in an orderly way.
pub(super) fn at_exit(f: extern "C" fn()) {
    // SAFETY: the function stays for ever and does not unwind. If there is no room in the system's list, a rest in a buffer is lost.
    unsafe { libc::atexit(f) };
}
