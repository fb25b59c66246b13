//! An open file.

use super::metadata::Metadata;
use super::options::OpenOptions;
use super::request::request;
use super::turn::{Taken, Turn};
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{ask_patiently, on_fiber};
use crate::sys::descriptor::descriptor;
use crate::task::try_blocking;
use std::fs::{self, FileTimes, Permissions, TryLockError};
use std::io::{self, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// An open file: [`std::fs::File`], whose waits suspend the fiber.
///
/// It is read, written and moved in through [`Read`](io::Read), [`Write`](io::Write) and [`Seek`], which `&File`
/// has too, and at given offsets through [`std::os::unix::fs::FileExt`]. Transfers at the position take turns, of
/// fibers, threads and all handles that [`try_clone`](Self::try_clone) made; those at given offsets do not need to. On an ordinary
/// thread every call blocks the thread, as std's does. Dropping a file closes it at once, on the worker, and errors are
/// lost, as with std: [`sync_all`](Self::sync_all) first, where they matter.
///
/// A file that was opened as non-blocking (`O_NONBLOCK`) is used with plain calls.
///
/// # Examples
///
/// ```
/// use fiber::fs::File;
/// use std::io::{Read, Seek, Write};
/// use std::os::unix::fs::FileExt;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).open(&path)?;
/// file.write_all(b"hello file")?;
/// file.sync_all()?;
/// file.rewind()?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "hello file");
///
/// let mut word = [0; 4];
/// file.read_exact_at(&mut word, 6)?;
/// assert_eq!(&word, b"file");
/// # fiber::fs::remove_file(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct File {
    pub(super) inner: fs::File,
    pub(super) shared: Arc<Shared>,
}

/// What all handles of one open file share.
pub(super) struct Shared {
    /// For files that have a position.
    turn: Option<Turn>,
    pub(super) nonblocking: bool,
    /// Whether reads go through the page cache: of a regular file, unless it was opened for direct transfers (`O_DIRECT`).
    pub(super) cached: bool,
    /// Whether it can be read and written at offsets. An operation on what cannot, such as a pipe, ignores the offset; a call refuses.
    pub(super) seekable: bool,
    /// Whether to look into the page cache before the next read. A hint, which orders nothing.
    pub(super) expects_cached: AtomicBool,
    /// What a dump says of a fiber that reads.
    pub(super) reading: Reason,
    /// What a dump says of a fiber that writes.
    pub(super) writing: Reason,
}

descriptor!(
    File,
    fs::File,
    "\
let made_by_std = std::fs::File::open(\"/\")?;
let ours = fiber::fs::File::from(made_by_std);"
);

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        file.inner.into()
    }
}

impl File {
    /// A file of unknown past.
    pub(super) fn adopted(inner: fs::File) -> File {
        File::with_reasons(inner, Reason::FileRead, Reason::FileWrite)
    }

    /// What somebody says is an end of a pipe.
    pub(crate) fn adopted_pipe(end: OwnedFd) -> File {
        File::with_reasons(end.into(), Reason::PipeRead, Reason::PipeWrite)
    }

    fn with_reasons(inner: fs::File, reading: Reason, writing: Reason) -> File {
        // Of an open file the kernel has this at hand.
        let regular = inner.metadata().is_ok_and(|metadata| metadata.is_file());
        let flags = flags(&inner);
        let shared = Shared {
            turn: regular.then(Turn::default),
            nonblocking: flags & libc::O_NONBLOCK != 0,
            cached: regular && flags & libc::O_DIRECT == 0,
            seekable: regular || (&inner).stream_position().is_ok(),
            expects_cached: AtomicBool::new(true),
            reading,
            writing,
        };
        File { inner, shared: Arc::new(shared) }
    }

    /// An end of a pipe that was just made.
    pub(crate) fn of_pipe(end: OwnedFd) -> File {
        let shared = Shared {
            turn: None,
            nonblocking: false,
            cached: false,
            seekable: false,
            expects_cached: AtomicBool::new(false),
            reading: Reason::PipeRead,
            writing: Reason::PipeWrite,
        };
        File { inner: end.into(), shared: Arc::new(shared) }
    }

    /// Waits for the right to use the position.
    pub(crate) fn turn(&self) -> io::Result<Option<Taken<'_>>> {
        self.shared.turn.as_ref().map(Turn::take).transpose()
    }

    /// Whether it is a regular file.
    pub(super) fn has_position(&self) -> bool {
        self.shared.turn.is_some()
    }

    /// Whether every write goes to the end.
    pub(super) fn appends(&self) -> bool {
        flags(&self.inner) & libc::O_APPEND != 0
    }

    /// Opens a file to read from it. As [`OpenOptions::open`].
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::open`]; that of a cancellation or of a time limit around the call.
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file to write to it, emptied, and made if there is none. As [`OpenOptions::open`].
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::create`]; that of a cancellation or of a time limit around the call.
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file, which must not be there before, to read from it and write to it. As [`OpenOptions::open`].
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::create_new`]; that of a cancellation or of a time limit around the call.
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// As [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Waits until all that was written, and the metadata, is on the disk. By io_uring (`FSYNC`).
    ///
    /// # Errors
    ///
    /// What the system reports, also of writes long done; that of a cancellation or of a time limit around the call.
    pub fn sync_all(&self) -> io::Result<()> {
        self.sync(false, fs::File::sync_all)
    }

    /// As [`sync_all`](Self::sync_all), but for metadata that is not needed to read the data.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    pub fn sync_data(&self) -> io::Result<()> {
        self.sync(true, fs::File::sync_data)
    }

    fn sync(&self, data_only: bool, otherwise: fn(&fs::File) -> io::Result<()>) -> io::Result<()> {
        let operation = Operation::Sync { fd: self.inner.as_raw_fd(), data_only };
        // SAFETY: the operation names no memory.
        unsafe { request((), |()| operation, Reason::FileSync, drop, |()| otherwise(&self.inner)) }
    }

    /// Cuts the file off at this length, or lengthens it with zeroes. By io_uring (`FTRUNCATE`, Linux 6.9), before on the blocking
    /// pool.
    ///
    /// # Errors
    ///
    /// As [`std::fs::File::set_len`]; that of a cancellation or of a time limit around the call.
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        if i64::try_from(size).is_err() {
            // Std says what is wrong.
            return self.inner.set_len(size);
        }
        let operation = Operation::Truncate { fd: self.inner.as_raw_fd(), len: size };
        // SAFETY: the operation names no memory.
        unsafe { request((), |()| operation, Reason::File, drop, |()| self.inner.set_len(size)) }
    }

    /// What is known about the file. By io_uring (`STATX`).
    ///
    /// # Errors
    ///
    /// What the system reports; that of a cancellation or of a time limit around the call.
    pub fn metadata(&self) -> io::Result<Metadata> {
        Metadata::of_file(self.inner.as_fd(), || self.inner.metadata())
    }

    /// Another handle of the same open file: they share its position.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File { inner: self.inner.try_clone()?, shared: self.shared.clone() })
    }

    /// Sets who may do what with the file. On the blocking pool.
    ///
    /// # Errors
    ///
    /// What the system reports; that of a cancellation or of a time limit around the call.
    pub fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        try_blocking(Reason::File, || self.inner.set_permissions(perm))
    }

    /// Sets the times of the file. On the blocking pool.
    ///
    /// # Errors
    ///
    /// What the system reports; that of a cancellation or of a time limit around the call.
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        try_blocking(Reason::File, || self.inner.set_times(times))
    }

    /// Sets the time of the last change. As [`set_times`](Self::set_times).
    ///
    /// # Errors
    ///
    /// As [`set_times`](Self::set_times).
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Waits for a lock that excludes all other locks of the file (`flock`).
    ///
    /// The system offers no such wait that a fiber could be cancelled in. So a fiber asks again and again, after 1 to 32 ms; threads and
    /// processes that wait in the system come first. On a thread, as std's.
    ///
    /// # Errors
    ///
    /// What the system reports; that of a cancellation or of a time limit around the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::fs::{File, TryLockError};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("fiber-doc-lock-{}", std::process::id()));
    /// let (one, two) = (File::create(&path)?, File::create(&path)?);
    /// one.lock()?;
    /// assert!(matches!(two.try_lock(), Err(TryLockError::WouldBlock)));
    /// one.unlock()?;
    /// two.lock()?;
    /// # fiber::fs::remove_file(path)?;
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn lock(&self) -> io::Result<()> {
        if on_fiber() { lock_patiently(|| self.inner.try_lock()) } else { self.inner.lock() }
    }

    /// Waits for a lock that excludes exclusive locks. As [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub fn lock_shared(&self) -> io::Result<()> {
        if on_fiber() { lock_patiently(|| self.inner.try_lock_shared()) } else { self.inner.lock_shared() }
    }

    /// Takes the lock of [`lock`](Self::lock) if it is free. Does not suspend.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if somebody has a lock; what the system reports.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.inner.try_lock()
    }

    /// Takes the lock of [`lock_shared`](Self::lock_shared) if nobody has an exclusive one. Does not suspend.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.inner.try_lock_shared()
    }

    /// Gives back all locks that were taken through this open file. Does not suspend.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}

/// Tries to lock until it is done or the fiber is to end its wait.
fn lock_patiently(attempt: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    ask_patiently(Reason::FileLock, || match attempt() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// The flags that the file was opened with, as far as they can be asked for.
fn flags(file: &fs::File) -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) }.max(0)
}
