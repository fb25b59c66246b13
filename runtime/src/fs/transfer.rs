//! Reading from and writing to a file.
//!
//! The memory lent to an operation is borrowed by the function that waits for it, and `request` does not return, nor unwind, before the
//! kernel has given it back.

use super::File;
use super::request::request;
use crate::driver::Operation;
use crate::sched::io::{charge, on_fiber, with_part_done};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;

/// The most that Linux transfers in one call (`MAX_RW_COUNT`).
const LONGEST: usize = 0x7fff_f000;
/// The most buffers that one call takes (`UIO_MAXIOV`).
const MOST_BUFFERS: usize = 1024;

impl File {
    fn read_bytes(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let fd = self.inner.as_raw_fd();
        let operation = |buf: &mut &mut [u8]| Operation::Read { fd, buf: buf.as_mut_ptr(), len: buf.len(), offset };
        let otherwise = |buf: &mut [u8]| match offset {
            Operation::CURRENT => (&self.inner).read(buf),
            _ => self.inner.read_at(buf, offset),
        };
        self.moving(offset, buf.len(), || {
            // SAFETY: the buffer is borrowed, mutably, until this function returns or unwinds.
            unsafe { request(buf, operation, self.shared.reading, |read| read as usize, otherwise) }
        })
    }

    /// Makes a transfer of up to `len` bytes, and sees to it that the file's position, if it is made there, moves as far as that got.
    ///
    /// An operation that does a part and then fails, because the disk is full, a limit is reached or it was cancelled, ends with the length
    /// of that part, and leaves the position where it was (6.18). What comes next would go over the same place, and succeed.
    fn moving(&self, offset: u64, len: usize, transfer: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        if offset != Operation::CURRENT || !self.has_position() {
            return transfer();
        }
        let position = || (&self.inner).stream_position();
        let before = position()?;
        let done = transfer()?;
        if 0 < done && done < len && position().is_ok_and(|after| after == before) {
            let to = if self.appends() { SeekFrom::End(0) } else { SeekFrom::Start(before + done as u64) };
            // What was done is reported, whatever becomes of this; a regular file can be moved in.
            let _ = (&self.inner).seek(to);
        }
        Ok(done)
    }

    /// As [`read_bytes`](Self::read_bytes), but what the page cache has is read in place, with a call that does not wait (`RWF_NOWAIT`):
    /// for 4 KiB that takes half the time of an operation that is alone in its turn (2 and 4 us). The rest, if there is some, is read as an operation.
    fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = match self.read_at_once(buf, offset) {
            Some(read) if read == 0 || read == buf.len() => {
                charge();
                return Ok(read);
            }
            read => read.unwrap_or(0),
        };
        // Short: because the file ends, or because the cache has no more of it.
        let next = if offset == Operation::CURRENT { offset } else { offset + read as u64 };
        if read == 0 {
            return self.read_bytes(buf, next);
        }
        // What was read is read; an error, if it stays, comes with the next call.
        Ok(read + with_part_done(|| self.read_bytes(&mut buf[read..], next)).unwrap_or(0))
    }

    /// What can be read of a regular file without waiting. Nothing after an attempt in vain: then it is an operation's turn.
    fn read_at_once(&self, buf: &mut [u8], offset: u64) -> Option<usize> {
        let expects = &self.shared.expects_cached;
        // Of direct transfers a call that is not to wait waits for the disk (6.18): the flag is about locks and memory there.
        if !self.shared.cached || buf.is_empty() || !expects.swap(true, Relaxed) {
            return None;
        }
        let list = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        let fd = self.inner.as_raw_fd();
        // SAFETY: the buffer is borrowed, mutably, and the list is ours, during the call.
        let read = unsafe { libc::preadv2(fd, &raw const list, 1, offset.cast_signed(), libc::RWF_NOWAIT) };
        // Not there, not offered by the file system, or an error that the operation will give.
        let read = usize::try_from(read).ok();
        expects.store(read.is_some(), Relaxed);
        read
    }

    fn read_scattered(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let fd = self.inner.as_raw_fd();
        let operation = |bufs: &mut &mut [IoSliceMut<'_>]| {
            let count = bufs.len().min(MOST_BUFFERS) as u32;
            // `IoSliceMut` has the layout of `iovec`, by its documentation.
            Operation::ReadV { fd, bufs: bufs.as_mut_ptr().cast(), count, offset: Operation::CURRENT }
        };
        let otherwise = |bufs: &mut [IoSliceMut<'_>]| (&self.inner).read_vectored(bufs);
        let len = bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len()));
        self.moving(Operation::CURRENT, len, || {
            // SAFETY: the buffers and their list are borrowed, mutably, until this function returns or unwinds.
            unsafe { request(bufs, operation, self.shared.reading, |read| read as usize, otherwise) }
        })
    }

    fn write_bytes(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let operation = Operation::Write { fd: self.inner.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), offset };
        let otherwise = |()| match offset {
            Operation::CURRENT => (&self.inner).write(buf),
            _ => self.inner.write_at(buf, offset),
        };
        self.moving(offset, buf.len(), || {
            // SAFETY: the buffer is borrowed until this function returns or unwinds.
            unsafe { request((), |()| operation, self.shared.writing, |written| written as usize, otherwise) }
        })
    }

    fn write_gathered(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let (list, count) = (bufs.as_ptr().cast(), bufs.len() as u32);
        // `IoSlice` has the layout of `iovec`, by its documentation.
        let operation = Operation::WriteV { fd: self.inner.as_raw_fd(), bufs: list, count, offset: Operation::CURRENT };
        let otherwise = |()| (&self.inner).write_vectored(bufs);
        let len = bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len()));
        self.moving(Operation::CURRENT, len, || {
            // SAFETY: the buffers and their list are borrowed until this function returns or unwinds.
            unsafe { request((), |()| operation, self.shared.writing, |written| written as usize, otherwise) }
        })
    }

    /// Goes on with a write of `len` bytes, of which some were written, as a call does on a pipe, where an operation takes only what there
    /// is room for. What is short on a regular file is left at that, as by a call: it has met the end of the disk or a limit.
    fn finish(&self, mut written: usize, len: usize, more: impl Fn(usize) -> io::Result<usize>) -> io::Result<usize> {
        while 0 < written && written < len.min(LONGEST) && !self.has_position() {
            match with_part_done(|| more(written)) {
                // What is written is written; the error, if it stays, comes with the next call.
                Ok(0) | Err(_) => break,
                Ok(n) => written += n,
            }
        }
        Ok(written)
    }

    /// How much there is to read, as far as can be told at once.
    fn size_hint(&self) -> usize {
        let Ok(metadata) = self.inner.metadata() else { return 0 };
        let position = (&self.inner).stream_position().unwrap_or(0);
        usize::try_from(metadata.len().saturating_sub(position)).unwrap_or(0)
    }

    /// Whether a call at this offset fails at once, where an operation would not: without a position, and with the offset that stands for
    /// it.
    pub(super) fn refuses(&self, offset: u64) -> bool {
        !self.shared.seekable || offset == Operation::CURRENT
    }

    /// Whether a transfer has to be made by std's plain call: off a fiber, and where it does not wait.
    pub(super) fn plainly(&self) -> bool {
        !on_fiber() || self.shared.nonblocking
    }
}

/// Reads at the file's position, and moves it. On a fiber by io_uring (`READ`, `READV`); it suspends.
///
/// Fails as [`std::fs::File`] does, and with the error of a cancellation or a time limit around the call.
impl Read for &File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _turn = self.turn()?;
        // A call that wants nothing does not wait. An operation would, on a terminal, until there is something that it could have had.
        let plainly = self.plainly() || buf.is_empty();
        if plainly { (&self.inner).read(buf) } else { self.read_cached(buf, Operation::CURRENT) }
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let _turn = self.turn()?;
        let plainly = self.plainly() || bufs.iter().all(|buf| buf.is_empty());
        if plainly { (&self.inner).read_vectored(bufs) } else { self.read_scattered(bufs) }
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        buf.try_reserve(self.size_hint())?;
        Piecewise(self).read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        buf.try_reserve(self.size_hint())?;
        Piecewise(self).read_to_string(buf)
    }
}

/// A file without what it does better than others, for the way in which others do it.
struct Piecewise<'a>(&'a File);

impl Read for Piecewise<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// Writes at the file's position, and moves it. On a fiber by io_uring (`WRITE`, `WRITEV`); it suspends. Flushing does nothing.
///
/// Fails as [`std::fs::File`] does, and with the error of a cancellation or a time limit around the call.
impl Write for &File {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let _turn = self.turn()?;
        if self.plainly() {
            return (&self.inner).write(buf);
        }
        let first = self.write_bytes(buf, Operation::CURRENT)?;
        self.finish(first, buf.len(), |written| self.write_bytes(&buf[written..], Operation::CURRENT))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let _turn = self.turn()?;
        if self.plainly() {
            return (&self.inner).write_vectored(bufs);
        }
        let bufs = &bufs[..bufs.len().min(MOST_BUFFERS)];
        let len = bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len()));
        let first = self.write_gathered(bufs)?;
        self.finish(first, len, |written| {
            let mut rest = bufs.to_vec();
            let mut rest = &mut rest[..];
            IoSlice::advance_slices(&mut rest, written);
            self.write_gathered(rest)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves the file's position. Suspends only for its turn, while another fiber reads or writes there.
impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let _turn = self.turn()?;
        (&self.inner).seek(to)
    }
}

/// As for `&File`.
impl Read for File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(buf)
    }
}

/// As for `&File`.
impl Write for File {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As for `&File`.
impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}

/// Reads and writes at a given offset, past the file's position: any number of fibers may do so at once. On a fiber by io_uring
/// (`READ`, `WRITE`); it suspends.
impl FileExt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.refuses(offset) || self.plainly() {
            return self.inner.read_at(buf, offset);
        }
        self.read_cached(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if self.refuses(offset) || self.plainly() {
            return self.inner.write_at(buf, offset);
        }
        self.write_bytes(buf, offset)
    }
}
