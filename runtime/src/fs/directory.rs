//! Directories: making them, and reading what is in them.
#![deny(unsafe_code)]

use super::functions;
use super::metadata::{FileType, Metadata};
use crate::fiber::Reason;
use crate::task::try_blocking;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// How many entries are read in one call of the pool.
const BATCH: usize = 128;

/// How to make a directory: [`std::fs::DirBuilder`]. It has the method of [`std::os::unix::fs::DirBuilderExt`] too.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-builder-{}", std::process::id()));
/// fiber::fs::DirBuilder::new().recursive(true).create(path.join("one/two"))?;
/// fiber::fs::remove_dir_all(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct DirBuilder {
    recursive: bool,
    mode: u32,
}

impl DirBuilder {
    /// Makes one directory, with the permissions that the process gives.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "std has it so")]
    pub fn new() -> DirBuilder {
        DirBuilder { recursive: false, mode: 0o777 }
    }

    /// Whether to make all that is missing above it too, and not to mind if it is there.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.recursive = recursive;
        self
    }

    /// Makes the directory: by io_uring (`MKDIRAT`, Linux 5.15), recursively on the blocking pool. Suspends.
    ///
    /// # Errors
    ///
    /// As [`std::fs::DirBuilder::create`]; that of a cancellation or of a time limit around the call.
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        let by_std = || fs::DirBuilder::new().recursive(self.recursive).mode(self.mode).create(path);
        if self.recursive { try_blocking(Reason::Path, by_std) } else { functions::make_dir(path, self.mode, by_std) }
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode = mode;
        self
    }
}

/// What is in a directory, by [`read_dir`](super::read_dir): [`std::fs::ReadDir`].
///
/// On a fiber, entries are read on the blocking pool, 128 in one call; it suspends. A cancellation, or a time limit around
/// the call, is an item that is an error.
pub struct ReadDir {
    inner: fs::ReadDir,
    ready: VecDeque<io::Result<DirEntry>>,
    ended: bool,
}

impl ReadDir {
    /// Opens a directory and reads the first entries.
    pub(super) fn open(path: &Path) -> io::Result<ReadDir> {
        try_blocking(Reason::Path, || {
            let mut entries = ReadDir { inner: fs::read_dir(path)?, ready: VecDeque::new(), ended: false };
            entries.fill();
            Ok(entries)
        })
    }

    fn fill(&mut self) {
        while self.ready.len() < BATCH && !self.ended {
            match self.inner.next() {
                Some(Ok(inner)) => {
                    // Where the directory does not say it, this asks the file.
                    let kind = inner.file_type().ok().map(FileType::from);
                    self.ready.push_back(Ok(DirEntry { inner, kind }));
                }
                Some(Err(error)) => return self.ready.push_back(Err(error)),
                None => self.ended = true,
            }
        }
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        if self.ready.is_empty()
            && !self.ended
            && let Err(error) = try_blocking(Reason::Path, || {
                self.fill();
                Ok(())
            })
        {
            return Some(Err(error));
        }
        self.ready.pop_front()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Something in a directory: [`std::fs::DirEntry`]. It has the method of [`std::os::unix::fs::DirEntryExt`] too.
pub struct DirEntry {
    inner: fs::DirEntry,
    kind: Option<FileType>,
}

impl DirEntry {
    /// Its path: that of the directory as it was given, and its name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// Its name.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// What is known about it; of a symbolic link, about the link. On the blocking pool; suspends.
    ///
    /// # Errors
    ///
    /// What the system reports; that of a cancellation or of a time limit around the call.
    pub fn metadata(&self) -> io::Result<Metadata> {
        try_blocking(Reason::Path, || self.inner.metadata()).map(Metadata::from)
    }

    /// What kind of file it is; of a symbolic link, that it is one. Known with the name on most file systems.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Self::metadata), where it was not known.
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.kind {
            Some(kind) => Ok(kind),
            None => try_blocking(Reason::Path, || self.inner.file_type()).map(FileType::from),
        }
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.inner.ino()
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
