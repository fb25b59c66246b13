//! What the last system call failed with.

use std::io;

/// The error of the calling thread's last system call.
///
/// With the feature `migrate` out of line: `errno` lies at an address of the thread, which is taken to be the same throughout a function; a
/// fiber that tries, waits and tries again may do that on two threads.
#[cfg_attr(not(feature = "migrate"), inline)]
#[cfg_attr(feature = "migrate", inline(never))]
pub(crate) fn last_error() -> io::Error {
    io::Error::last_os_error()
}
