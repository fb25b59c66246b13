//! How to open a file.

use super::File;
use super::fifo::{self, Found};
use super::request::{request, terminated};
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::on_fiber;
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How to open a file: [`std::fs::OpenOptions`]. It has the methods of [`std::os::unix::fs::OpenOptionsExt`] too.
///
/// # Examples
///
/// ```
/// use fiber::fs::OpenOptions;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-options-{}", std::process::id()));
/// let log = OpenOptions::new().append(true).create(true).open(&path)?;
/// # drop(log);
/// # fiber::fs::remove_file(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    custom_flags: i32,
    mode: u32,
}

impl OpenOptions {
    /// Nothing is allowed.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "std has it so")]
    pub fn new() -> OpenOptions {
        OpenOptions {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            custom_flags: 0,
            mode: 0o666,
        }
    }

    /// Whether the file can be read.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.read = read;
        self
    }

    /// Whether the file can be written to.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    /// Whether all that is written goes to the end of the file, wherever that is then.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.append = append;
        self
    }

    /// Whether the file is emptied.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Whether the file is made if there is none.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    /// Whether the file is made, and must not be there before. `create` and `truncate` do not matter then.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.create_new = create_new;
        self
    }

    /// Opens a file. On a fiber by io_uring (`OPENAT`); it suspends.
    ///
    /// # Errors
    ///
    /// As [`std::fs::OpenOptions::open`]; that of a cancellation or of a time limit around the call. A file that was open by then is
    /// returned.
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let path = path.as_ref();
        let Some(flags) = self.flags() else {
            // Std knows what is wrong.
            return self.for_std().open(path).map(File::adopted);
        };
        let name = terminated(path)?;
        let operation = Operation::Open { path: name.as_ptr(), flags, mode: self.mode };
        let own = |fd: u32| {
            // SAFETY: the kernel just gave it to us.
            fs::File::from(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
        };
        let (on_fiber, options) = (on_fiber(), self.for_std());
        let otherwise = |()| match on_fiber {
            true => fifo::open_unless_fifo(&options, path, flags),
            false => options.open(path).map(Found::File),
        };
        let found = |fd| Found::File(own(fd));
        // SAFETY: the path lives until this function returns or unwinds.
        let file = match unsafe { request((), |()| operation, Reason::Open, found, otherwise) }? {
            Found::File(file) => file,
            Found::Fifo => fifo::open(&options, path, flags)?,
        };
        Ok(File::adopted(file))
    }

    fn for_std(&self) -> fs::OpenOptions {
        let mut options = fs::OpenOptions::new();
        options.read(self.read).write(self.write).append(self.append).truncate(self.truncate);
        options.create(self.create).create_new(self.create_new).custom_flags(self.custom_flags).mode(self.mode);
        options
    }

    /// The flags of `open`, if the options make sense, by std's rules.
    fn flags(&self) -> Option<i32> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => return None,
        };
        let creates = self.create || self.create_new || self.truncate;
        if creates && !self.write && !self.append || self.append && self.truncate && !self.create_new {
            return None;
        }
        let creation = match (self.create, self.truncate, self.create_new) {
            (false, false, false) => 0,
            (true, false, false) => libc::O_CREAT,
            (false, true, false) => libc::O_TRUNC,
            (true, true, false) => libc::O_CREAT | libc::O_TRUNC,
            (_, _, true) => libc::O_CREAT | libc::O_EXCL,
        };
        Some(access | creation | libc::O_CLOEXEC | (self.custom_flags & !libc::O_ACCMODE))
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.mode = mode;
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.custom_flags = flags;
        self
    }
}
