//! What is done with paths.

use super::directory::{DirBuilder, ReadDir};
use super::file::File;
use super::metadata::Metadata;
use super::request::{request, terminated};
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::task::try_blocking;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Reads a whole file. As [`std::fs::read`]: by io_uring.
///
/// # Errors
///
/// Those of [`File::open`] and of reading.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// assert!(fiber::fs::read("/proc/self/cmdline")?.len() > 1);
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file of text. As [`std::fs::read_to_string`]: by io_uring.
///
/// # Errors
///
/// Those of [`File::open`] and of reading; [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8.
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a whole file, over what was there. As [`std::fs::write`]: by io_uring.
///
/// # Errors
///
/// Those of [`File::create`] and of writing.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-write-{}", std::process::id()));
/// fiber::fs::write(&path, "text")?;
/// assert_eq!(fiber::fs::read_to_string(&path)?, "text");
/// fiber::fs::remove_file(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    File::create(path)?.write_all(contents.as_ref())
}

/// What is known about what a path leads to. As [`std::fs::metadata`]: by io_uring (`STATX`).
///
/// # Errors
///
/// What the system reports; that of a cancellation or of a time limit around the call.
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    Metadata::of_path(path.as_ref(), 0)
}

/// As [`metadata`], of a symbolic link itself. As [`std::fs::symlink_metadata`].
///
/// # Errors
///
/// As [`metadata`].
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    Metadata::of_path(path.as_ref(), libc::AT_SYMLINK_NOFOLLOW)
}

/// Whether a path leads to something. As [`std::fs::exists`]: by io_uring (`STATX`).
///
/// # Errors
///
/// As [`metadata`], but for [`NotFound`](io::ErrorKind::NotFound), which is the answer `false`.
pub fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    match metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An operation on one path.
fn on_path(
    path: &Path,
    operation: impl FnOnce(*const libc::c_char) -> Operation,
    otherwise: impl FnOnce() -> io::Result<()> + Send,
) -> io::Result<()> {
    let name = terminated(path)?;
    // SAFETY: the path lives until this function returns or unwinds.
    unsafe { request((), |()| operation(name.as_ptr()), Reason::Path, drop, |()| otherwise()) }
}

/// An operation on two paths.
fn on_paths(
    one: &Path,
    two: &Path,
    operation: impl FnOnce(*const libc::c_char, *const libc::c_char) -> Operation,
    otherwise: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let (first, second) = (terminated(one)?, terminated(two)?);
    // SAFETY: the paths live until this function returns or unwinds.
    unsafe {
        request((), |()| operation(first.as_ptr(), second.as_ptr()), Reason::Path, drop, |()| otherwise(one, two))
    }
}

/// Removes a file, or a symbolic link. As [`std::fs::remove_file`]: by io_uring (`UNLINKAT`).
///
/// # Errors
///
/// What the system reports; that of a cancellation or of a time limit around the call.
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    on_path(path, |path| Operation::Unlink { path, flags: 0 }, || fs::remove_file(path))
}

/// Removes an empty directory. As [`std::fs::remove_dir`]: by io_uring (`UNLINKAT`).
///
/// # Errors
///
/// As [`remove_file`].
pub fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    on_path(path, |path| Operation::Unlink { path, flags: libc::AT_REMOVEDIR }, || fs::remove_dir(path))
}

/// Removes a directory with all that is in it. As [`std::fs::remove_dir_all`], which it calls on the blocking pool: once begun, it is
/// not cancelled.
///
/// # Errors
///
/// As [`remove_file`].
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    try_blocking(Reason::Path, || fs::remove_dir_all(path))
}

/// Makes a directory. As [`std::fs::create_dir`]: by io_uring (`MKDIRAT`, Linux 5.15).
///
/// # Errors
///
/// As [`remove_file`].
pub fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    DirBuilder::new().create(path)
}

pub(super) fn make_dir(path: &Path, mode: u32, otherwise: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    on_path(path, |path| Operation::Mkdir { path, mode }, otherwise)
}

/// Makes a directory, and all that is missing above it. As [`std::fs::create_dir_all`], on the blocking pool.
///
/// # Errors
///
/// As [`remove_file`].
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Gives something another path, instead of whatever is there. As [`std::fs::rename`]: by io_uring (`RENAMEAT`).
///
/// # Errors
///
/// As [`remove_file`].
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    on_paths(from.as_ref(), to.as_ref(), |from, to| Operation::Rename { from, to }, |from, to| fs::rename(from, to))
}

/// Gives a file one more path. As [`std::fs::hard_link`]: by io_uring (`LINKAT`, Linux 5.15).
///
/// # Errors
///
/// As [`remove_file`].
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    on_paths(
        original.as_ref(),
        link.as_ref(),
        |from, to| Operation::Link { from, to },
        |from, to| fs::hard_link(from, to),
    )
}

/// Makes a symbolic link. As [`std::fs::soft_link`].
///
/// # Errors
///
/// As [`symlink`].
#[deprecated = "use fiber::os::unix::fs::symlink"]
pub fn soft_link<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    symlink(original, link)
}

/// Makes a symbolic link at `link` that says `original`. As [`std::os::unix::fs::symlink`]: by io_uring (`SYMLINKAT`, Linux 5.15).
///
/// # Errors
///
/// What the system reports; that of a cancellation or of a time limit around the call.
///
/// # Examples
///
/// ```
/// use fiber::os::unix::fs::symlink;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-symlink-{}", std::process::id()));
/// symlink("wherever", &path)?;
/// assert_eq!(fiber::fs::read_link(&path)?.to_str(), Some("wherever"));
/// fiber::fs::remove_file(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    let operation = |target, path| Operation::Symlink { target, path };
    on_paths(original.as_ref(), link.as_ref(), operation, |target, path| std::os::unix::fs::symlink(target, path))
}

/// What a symbolic link says. As [`std::fs::read_link`], on the blocking pool.
///
/// # Errors
///
/// As [`remove_file`].
pub fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    try_blocking(Reason::Path, || fs::read_link(path))
}

/// The absolute path of something, without links. As [`std::fs::canonicalize`], on the blocking pool.
///
/// # Errors
///
/// As [`remove_file`].
pub fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    try_blocking(Reason::Path, || fs::canonicalize(path))
}

/// Copies a file with its permissions, in the kernel where the file systems can; how many bytes. As [`std::fs::copy`], which it calls on
/// the blocking pool: once begun, it is not cancelled.
///
/// # Errors
///
/// As [`remove_file`].
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    try_blocking(Reason::Path, || fs::copy(from, to))
}

/// What is in a directory. As [`std::fs::read_dir`], on the blocking pool.
///
/// # Errors
///
/// As [`remove_file`].
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// for entry in fiber::fs::read_dir("/proc/self/fd")? {
///     println!("{}", entry?.path().display());
/// }
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    ReadDir::open(path.as_ref())
}

/// Sets who may do what with a file. As [`std::fs::set_permissions`], on the blocking pool.
///
/// # Errors
///
/// As [`remove_file`].
pub fn set_permissions<P: AsRef<Path>>(path: P, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    try_blocking(Reason::Path, || fs::set_permissions(path, perm))
}
