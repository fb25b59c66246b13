//! Memory that the kernel knows already.
#![allow(unsafe_code, reason = "allocates with an alignment, and lends memory to the kernel")]

use super::File;
use super::request::request;
use crate::driver::Operation;
use crate::sched::registration::Registration;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

/// What suits the blocks of all devices, and is a page on most machines.
const ALIGNMENT: usize = 4096;

/// Memory that is registered with the ring of the worker on which it was made: for reading and writing
/// [files opened with `O_DIRECT`](crate::os::unix::fs::OpenOptionsExt) again and again.
///
/// The kernel looks up and pins its pages once instead of for each transfer by [`File::read_registered_at`] and
/// [`File::write_registered_at`] (`IORING_OP_READ_FIXED`, `IORING_OP_WRITE_FIXED`). For everything else it is memory, a slice of bytes, zeroed, at a
/// multiple of 4096, as direct transfers want it.
///
/// It belongs to one worker, as the fiber does that makes it, and is not `Send`.
///
/// # Where it is not registered
///
/// It is ordinary memory, and works in the same way, if it is made on an ordinary thread, where fibers wait by epoll, before Linux 5.19, beyond
/// 1024 of them on one worker, if it is larger than 1 GiB, and where the user may lock no more memory: registered memory counts for
/// `RLIMIT_MEMLOCK` (`ulimit -l`), of all processes of a user together, unless the process has `CAP_IPC_LOCK`.
/// [`is_registered`](Self::is_registered) says what it is.
///
/// # Examples
///
/// ```
/// use fiber::fs::{File, RegisteredBuffer};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-registered-{}", std::process::id()));
/// let file = File::options().read(true).write(true).create(true).open(&path)?;
/// # fiber::fs::remove_file(&path)?;
/// let mut buffer = RegisteredBuffer::new(8192);
/// buffer[..5].copy_from_slice(b"hello");
/// assert_eq!(file.write_registered_at(&buffer, 0..4096, 0)?, 4096);
/// assert_eq!(file.read_registered_at(&mut buffer, 4096..8192, 0)?, 4096);
/// assert_eq!(&buffer[4096..4101], b"hello");
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct RegisteredBuffer {
    /// The beginning; it keeps the type from being `Send` and `Sync`, too.
    memory: NonNull<u8>,
    len: usize,
    registration: Option<Registration>,
}

impl RegisteredBuffer {
    /// Memory of this length, all zero. Does not suspend; pins its pages.
    ///
    /// # Panics
    ///
    /// If there cannot be as much (more than `isize::MAX` bytes).
    #[must_use]
    pub fn new(len: usize) -> RegisteredBuffer {
        let Some(layout) = layout(len) else {
            return RegisteredBuffer { memory: NonNull::dangling(), len, registration: None };
        };
        // SAFETY: the layout's size is not zero.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the memory is this buffer's until it is dropped, which drops the registration first.
        let registration = unsafe { Registration::new(memory.as_ptr(), len) };
        RegisteredBuffer { memory, len, registration }
    }

    /// Whether it is registered with the ring, and not ordinary memory.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    /// What the ring of the running fiber's worker calls it.
    fn index(&self) -> Option<u16> {
        self.registration.as_ref()?.index()
    }
}

/// Of a buffer of this length; nothing if it is empty.
fn layout(len: usize) -> Option<Layout> {
    (len > 0).then(|| Layout::from_size_align(len, ALIGNMENT).expect("a buffer is no longer than isize::MAX"))
}

impl Drop for RegisteredBuffer {
    fn drop(&mut self) {
        self.registration = None;
        if let Some(layout) = layout(self.len) {
            // SAFETY: it was allocated with this layout. No operation names it: those who make one borrow it until it has ended.
            unsafe { dealloc(self.memory.as_ptr(), layout) };
        }
    }
}

impl Deref for RegisteredBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the memory is this buffer's, initialised, and borrowed with it.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }
}

impl DerefMut for RegisteredBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl fmt::Debug for RegisteredBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegisteredBuffer { len, .. } = self;
        f.debug_struct("RegisteredBuffer").field("len", len).field("registered", &self.is_registered()).finish()
    }
}

impl File {
    /// As [`read_at`](FileExt::read_at), into this part of a registered buffer. Suspends the fiber.
    ///
    /// By `READ_FIXED` if the buffer is registered and the file was opened with `O_DIRECT`, or is a device. What the page cache has is copied
    /// from there, so on other files it is `read_at`.
    ///
    /// # Errors
    ///
    /// As `read_at`; that of a cancellation or of a time limit around the call. The read has ended then, and the buffer is free.
    ///
    /// # Panics
    ///
    /// If the buffer has no such part.
    #[track_caller]
    pub fn read_registered_at(
        &self,
        buf: &mut RegisteredBuffer,
        range: Range<usize>,
        offset: u64,
    ) -> io::Result<usize> {
        let (fd, index) = (self.inner.as_raw_fd(), buf.index());
        let part = &mut buf[range];
        let Some(index) = index.filter(|_| self.goes_past_the_cache(offset)) else {
            return self.read_at(part, offset);
        };
        let operation =
            |part: &mut &mut [u8]| Operation::ReadFixed { fd, buf: part.as_mut_ptr(), len: part.len(), offset, index };
        let otherwise = |part: &mut [u8]| self.inner.read_at(part, offset);
        // SAFETY: the buffer is borrowed, mutably, until this function returns or unwinds.
        unsafe { request(part, operation, self.shared.reading, |read| read as usize, otherwise) }
    }

    /// As [`write_at`](FileExt::write_at), from this part of a registered buffer. Suspends the fiber.
    ///
    /// By `WRITE_FIXED` where [`read_registered_at`](Self::read_registered_at) is by `READ_FIXED`.
    ///
    /// # Errors
    ///
    /// As `write_at`; that of a cancellation or of a time limit around the call. The write has ended then, and the buffer is free.
    ///
    /// # Panics
    ///
    /// If the buffer has no such part.
    #[track_caller]
    pub fn write_registered_at(&self, buf: &RegisteredBuffer, range: Range<usize>, offset: u64) -> io::Result<usize> {
        let (fd, part) = (self.inner.as_raw_fd(), &buf[range]);
        let Some(index) = buf.index().filter(|_| self.goes_past_the_cache(offset)) else {
            return self.write_at(part, offset);
        };
        let operation = Operation::WriteFixed { fd, buf: part.as_ptr(), len: part.len(), offset, index };
        let otherwise = |()| self.inner.write_at(part, offset);
        // SAFETY: the buffer is borrowed until this function returns or unwinds.
        unsafe { request((), |()| operation, self.shared.writing, |written| written as usize, otherwise) }
    }

    /// Whether a transfer at this offset is an operation that moves the data to and from the device itself.
    fn goes_past_the_cache(&self, offset: u64) -> bool {
        !self.shared.cached && !self.refuses(offset) && !self.plainly()
    }
}
