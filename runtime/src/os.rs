//! What std has for this kind of system, at std's paths.
#![deny(unsafe_code)]

/// As [`std::os::unix`].
pub mod unix {
    /// As [`std::os::unix::fs`]: its traits, which the types of [`fiber::fs`](crate::fs) implement, and its functions.
    pub mod fs {
        use crate::fiber::Reason;
        use crate::task::try_blocking;
        use std::io;
        use std::os::fd::AsFd;
        use std::os::unix::fs;
        use std::path::Path;

        pub use crate::fs::functions::symlink;
        pub use std::os::unix::fs::{
            DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
        };

        /// Sets the owner and group of what a path leads to; `None` leaves one as it is. On the blocking pool; suspends.
        ///
        /// # Errors
        ///
        /// As [`std::os::unix::fs::chown`]; that of a cancellation or of a time limit around the call.
        pub fn chown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
            let path = dir.as_ref();
            try_blocking(Reason::Path, || fs::chown(path, uid, gid))
        }

        /// As [`chown`], of a symbolic link itself.
        ///
        /// # Errors
        ///
        /// As [`chown`].
        pub fn lchown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
            let path = dir.as_ref();
            try_blocking(Reason::Path, || fs::lchown(path, uid, gid))
        }

        /// As [`chown`], of an open file.
        ///
        /// # Errors
        ///
        /// As [`chown`].
        pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
            let fd = fd.as_fd();
            try_blocking(Reason::File, || fs::fchown(fd, uid, gid))
        }

        /// Makes a directory the root of the process. On the blocking pool; suspends.
        ///
        /// # Errors
        ///
        /// As [`std::os::unix::fs::chroot`]; that of a cancellation or of a time limit around the call.
        pub fn chroot<P: AsRef<Path>>(dir: P) -> io::Result<()> {
            let path = dir.as_ref();
            try_blocking(Reason::Path, || fs::chroot(path))
        }
    }

    /// As [`std::os::unix::process`].
    pub mod process {
        pub use crate::process::unix::{ChildExt, CommandExt};
        pub use std::os::unix::process::{ExitStatusExt, parent_id};
    }

    /// As [`std::os::unix::net`]: [`fiber::net::unix`](crate::net::unix).
    pub mod net {
        pub use crate::net::unix::{Incoming, SocketAddr, UnixDatagram, UnixListener, UnixStream};
    }
}
