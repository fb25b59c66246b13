//! Files, with std's names, signatures and errors.
//!
//! Where [`std::fs`] blocks its thread, a call of this module made on a fiber suspends that fiber, and the worker runs others
//! meanwhile. Made on an ordinary thread, it is std's call. Porting a program is replacing `std::fs` by `fiber::fs`, and what it uses
//! of `std::os::unix::fs` is there as [`fiber::os::unix::fs`](crate::os::unix::fs).
//!
//! ```
//! use std::io::{BufRead, BufReader};
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let status = fiber::fs::File::open("/proc/self/status")?;
//! let first = BufReader::new(status).lines().next().expect("a line")?;
//! assert!(first.starts_with("Name:"));
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! # How each call is made
//!
//! | by io_uring | on the blocking pool | at once |
//! | --- | --- | --- |
//! | opening ([`File::open`], [`OpenOptions::open`]) | [`read_dir`] and its entries | [`seek`](std::io::Seek) |
//! | reading (what is not in the page cache) and writing, at the position and [at offsets](std::os::unix::fs::FileExt), of one buffer or several | [`canonicalize`], [`read_link`] | [`File::try_clone`] |
//! | [`read`], [`read_to_string`], [`write()`] | [`copy`], [`remove_dir_all`] | [`File::try_lock`], [`File::unlock`] |
//! | [`metadata()`], [`symlink_metadata`], [`File::metadata`], [`exists`] | [`create_dir_all`] | closing |
//! | [`File::sync_all`], [`File::sync_data`] | [`set_permissions`], [`File::set_permissions`] | |
//! | [`rename`], [`remove_file`], [`remove_dir`] | [`File::set_times`], [`File::set_modified`] | |
//! | [`create_dir`], [`hard_link`], [`symlink`](crate::os::unix::fs::symlink) (Linux 5.15; before, the pool) | [`chown`](crate::os::unix::fs::chown) and the like | |
//! | [`File::set_len`] (Linux 6.9; before, the pool) | | |
//!
//! [`File::read_registered_at`] and [`File::write_registered_at`] are as reading and writing at offsets, of memory that the kernel pins once.
//! [`File::lock`] asks again and again on a fiber. The kernel does what it cannot do without waiting, such as every call that names a path
//! and is not answered from its cache, on threads of its own.
//!
//! Where fibers wait by [epoll](crate::runtime::DriverKind::Epoll), what the first column lists is done on the blocking pool too, but for
//! reads of what is in the page cache and for transfers of what events tell of, such as pipes, FIFOs and terminals. Opening a FIFO then asks
//! again, after 1 to 32 ms, until there is another end.
//!
//! # Cancellation
//!
//! A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after
//! that. The operation in the kernel has ended by then, so no buffer is written to later; and one that succeeded is reported as
//! a success. Disks do not let themselves be interrupted: what they have begun is waited for. Calls on the pool are withdrawn if
//! they have not begun, and otherwise waited for.
//!
//! # What differs from std
//!
//! - [`File`], [`OpenOptions`], [`Metadata`], [`FileType`], [`DirBuilder`], [`ReadDir`] and [`DirEntry`] are types of this module, which
//!   implement std's extension traits for Unix. `Metadata` is made of std's by `From`; `Arc<File>` does not
//!   read and write by itself (only std can give that to an `Arc`), `&*file` does; the traits of `std::os::linux::fs` are not
//!   implemented. [`Permissions`] and [`FileTimes`] are std's.

// The room turns calls of std's into operations and waits for them, or makes them on the blocking pool. It owns open files. It calls
// `sched::io` and `task`, and names `driver::Operation`. `unsafe` is confined to memory lent to the kernel (`request`, and its callers
// `transfer`, `registered`, `options`, `metadata`, `functions` and `file`).

mod directory;
mod fifo;
mod file;
pub(crate) mod functions;
mod metadata;
mod options;
mod registered;
mod request;
mod transfer;
mod turn;

#[cfg(test)]
mod tests;

pub use directory::{DirBuilder, DirEntry, ReadDir};
pub use file::File;
#[expect(deprecated, reason = "std has it, so we have it")]
pub use functions::soft_link;
pub use functions::{
    canonicalize, copy, create_dir, create_dir_all, exists, hard_link, metadata, read, read_dir, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink_metadata, write,
};
pub use metadata::{FileType, Metadata};
pub use options::OpenOptions;
pub use registered::RegisteredBuffer;
pub use std::fs::{FileTimes, Permissions, TryLockError};
