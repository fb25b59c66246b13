//! The limit of open files.

use std::io;

/// Descriptors that a process needs besides its connections: standard streams, rings, listeners, `/proc` files.
const BESIDES: u64 = 100;

/// Raises the soft limit of open files to the hard one, and returns it.
///
/// # Errors
///
/// Those of `getrlimit` and `setrlimit`.
pub fn raise() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}

/// How many of `wanted` connections a process of ours may hold open, after [`raise`].
///
/// # Errors
///
/// Those of [`raise`].
pub fn connections(wanted: usize) -> io::Result<usize> {
    let allowed = raise()?.saturating_sub(BESIDES);
    Ok(wanted.min(usize::try_from(allowed).unwrap_or(usize::MAX)))
}
