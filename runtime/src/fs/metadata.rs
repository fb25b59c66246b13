//! What is known about a file.

use super::request::{request, terminated};
use crate::driver::Operation;
use crate::fiber::Reason;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is known about a file: [`std::fs::Metadata`], as `statx` gives it.
///
/// Made by [`metadata`](super::metadata()), [`symlink_metadata`](super::symlink_metadata) and
/// [`File::metadata`](super::File::metadata), or of std's. It has the methods of [`std::os::unix::fs::MetadataExt`] too.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let metadata = fiber::fs::metadata("/")?;
/// assert!(metadata.is_dir() && metadata.file_type().is_dir());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Metadata {
    mode: u32,
    len: u64,
    dev: u64,
    rdev: u64,
    ino: u64,
    nlink: u64,
    uid: u32,
    gid: u32,
    blksize: u64,
    blocks: u64,
    accessed: Stamp,
    modified: Stamp,
    changed: Stamp,
    created: Option<Stamp>,
}

/// Seconds and nanoseconds since the epoch.
#[derive(Clone, Copy)]
struct Stamp(i64, i64);

impl Stamp {
    fn time(self) -> SystemTime {
        let Stamp(seconds, nanoseconds) = self;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
        whole + Duration::from_nanos(nanoseconds.unsigned_abs())
    }
}

impl Metadata {
    /// Of what the path leads to, or with `AT_SYMLINK_NOFOLLOW` of the link.
    pub(super) fn of_path(path: &Path, flags: i32) -> io::Result<Metadata> {
        let name = terminated(path)?;
        let std = if flags == 0 { std::fs::metadata } else { std::fs::symlink_metadata };
        Metadata::ask(libc::AT_FDCWD, &name, flags, Reason::Path, || std(path))
    }

    /// Of an open file. `otherwise` asks std.
    pub(super) fn of_file(
        file: BorrowedFd<'_>,
        otherwise: impl FnOnce() -> io::Result<std::fs::Metadata> + Send,
    ) -> io::Result<Metadata> {
        Metadata::ask(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH, Reason::File, otherwise)
    }

    fn ask(
        fd: i32,
        path: &std::ffi::CStr,
        flags: i32,
        reason: Reason,
        otherwise: impl FnOnce() -> io::Result<std::fs::Metadata> + Send,
    ) -> io::Result<Metadata> {
        // SAFETY: zeroes are a `statx`, a structure of integers.
        let mut answer: libc::statx = unsafe { mem::zeroed() };
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        let operation = Operation::Statx { fd, path: path.as_ptr(), flags, mask, to: &raw mut answer };
        // SAFETY: path and answer live until this function returns or unwinds.
        let by_std =
            unsafe { request((), |()| operation, reason, |_| None, |()| otherwise().map(|found| Some(found.into()))) }?;
        Ok(by_std.unwrap_or_else(|| Metadata::from_statx(&answer)))
    }

    fn from_statx(found: &libc::statx) -> Metadata {
        let stamp = |time: &libc::statx_timestamp| Stamp(time.tv_sec, i64::from(time.tv_nsec));
        Metadata {
            mode: u32::from(found.stx_mode),
            len: found.stx_size,
            dev: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
            rdev: libc::makedev(found.stx_rdev_major, found.stx_rdev_minor),
            ino: found.stx_ino,
            nlink: u64::from(found.stx_nlink),
            uid: found.stx_uid,
            gid: found.stx_gid,
            blksize: u64::from(found.stx_blksize),
            blocks: found.stx_blocks,
            accessed: stamp(&found.stx_atime),
            modified: stamp(&found.stx_mtime),
            changed: stamp(&found.stx_ctime),
            created: (found.stx_mask & libc::STATX_BTIME != 0).then(|| stamp(&found.stx_btime)),
        }
    }

    /// What kind of file it is.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType { mode: self.mode & libc::S_IFMT }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "std has it so")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Who may do what with it.
    #[must_use]
    pub fn permissions(&self) -> std::fs::Permissions {
        std::fs::Permissions::from_mode(self.mode)
    }

    /// When its content was last changed.
    ///
    /// # Errors
    ///
    /// None on Linux.
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.modified.time())
    }

    /// When it was last read, as far as the file system keeps that.
    ///
    /// # Errors
    ///
    /// None on Linux.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        Ok(self.accessed.time())
    }

    /// When it was made.
    ///
    /// # Errors
    ///
    /// If the file system does not keep that.
    pub fn created(&self) -> io::Result<SystemTime> {
        self.created.map(Stamp::time).ok_or_else(|| {
            io::Error::new(io::ErrorKind::Unsupported, "creation time is not available for the filesystem")
        })
    }
}

impl From<std::fs::Metadata> for Metadata {
    fn from(found: std::fs::Metadata) -> Metadata {
        let created = found.created().ok().map(|time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Stamp(after.as_secs().cast_signed(), i64::from(after.subsec_nanos())),
            Err(before) => {
                let before = before.duration();
                let borrow = i64::from(before.subsec_nanos() > 0);
                let nanoseconds = borrow * 1_000_000_000 - i64::from(before.subsec_nanos());
                Stamp(-before.as_secs().cast_signed() - borrow, nanoseconds)
            }
        });
        Metadata {
            mode: found.st_mode(),
            len: found.st_size(),
            dev: found.st_dev(),
            rdev: found.st_rdev(),
            ino: found.st_ino(),
            nlink: found.st_nlink(),
            uid: found.st_uid(),
            gid: found.st_gid(),
            blksize: found.st_blksize(),
            blocks: found.st_blocks(),
            accessed: Stamp(found.st_atime(), found.st_atime_nsec()),
            modified: Stamp(found.st_mtime(), found.st_mtime_nsec()),
            changed: Stamp(found.st_ctime(), found.st_ctime_nsec()),
            created,
        }
    }
}

impl MetadataExt for Metadata {
    fn dev(&self) -> u64 {
        self.dev
    }
    fn ino(&self) -> u64 {
        self.ino
    }
    fn mode(&self) -> u32 {
        self.mode
    }
    fn nlink(&self) -> u64 {
        self.nlink
    }
    fn uid(&self) -> u32 {
        self.uid
    }
    fn gid(&self) -> u32 {
        self.gid
    }
    fn rdev(&self) -> u64 {
        self.rdev
    }
    fn size(&self) -> u64 {
        self.len
    }
    fn atime(&self) -> i64 {
        self.accessed.0
    }
    fn atime_nsec(&self) -> i64 {
        self.accessed.1
    }
    fn mtime(&self) -> i64 {
        self.modified.0
    }
    fn mtime_nsec(&self) -> i64 {
        self.modified.1
    }
    fn ctime(&self) -> i64 {
        self.changed.0
    }
    fn ctime_nsec(&self) -> i64 {
        self.changed.1
    }
    fn blksize(&self) -> u64 {
        self.blksize
    }
    fn blocks(&self) -> u64 {
        self.blocks
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("file_type", &self.file_type())
            .field("permissions", &self.permissions())
            .field("len", &self.len)
            .field("modified", &self.modified.time())
            .field("accessed", &self.accessed.time())
            .field("created", &self.created.map(Stamp::time))
            .finish_non_exhaustive()
    }
}

/// What kind of file something is: [`std::fs::FileType`]. It has the methods of [`std::os::unix::fs::FileTypeExt`] too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType {
    mode: u32,
}

impl FileType {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.mode == libc::S_IFDIR
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode == libc::S_IFREG
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.mode == libc::S_IFLNK
    }
}

impl FileTypeExt for FileType {
    fn is_block_device(&self) -> bool {
        self.mode == libc::S_IFBLK
    }
    fn is_char_device(&self) -> bool {
        self.mode == libc::S_IFCHR
    }
    fn is_fifo(&self) -> bool {
        self.mode == libc::S_IFIFO
    }
    fn is_socket(&self) -> bool {
        self.mode == libc::S_IFSOCK
    }
}

impl From<std::fs::FileType> for FileType {
    fn from(kind: std::fs::FileType) -> FileType {
        let kinds = [
            (kind.is_dir(), libc::S_IFDIR),
            (kind.is_file(), libc::S_IFREG),
            (kind.is_symlink(), libc::S_IFLNK),
            (kind.is_block_device(), libc::S_IFBLK),
            (kind.is_char_device(), libc::S_IFCHR),
            (kind.is_fifo(), libc::S_IFIFO),
            (kind.is_socket(), libc::S_IFSOCK),
        ];
        FileType { mode: kinds.into_iter().find(|(is, _)| *is).map_or(0, |(_, mode)| mode) }
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileType")
            .field("is_file", &self.is_file())
            .field("is_dir", &self.is_dir())
            .field("is_symlink", &self.is_symlink())
            .finish_non_exhaustive()
    }
}
