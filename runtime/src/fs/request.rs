//! Asking the kernel: through the driver where it has the operation, on a thread of the pool where it has not.

use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{on_fiber, supports, wait};
use crate::task::try_blocking;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Makes the operation, and turns its result into a value by `done`. If the driver of the running fiber does not have it, makes the
/// call `otherwise` on the blocking pool; off a fiber, in place.
///
/// `lent` is what the operation, or else the call, writes to: it is touched by one of them.
///
/// # Errors
///
/// What the kernel reports; that of a cancellation or of a time limit around the call (or an unwinding).
///
/// # Safety
///
/// The memory that the operation names stays valid until this function returns or unwinds.
pub(super) unsafe fn request<B: Send, T: Send>(
    mut lent: B,
    operation: impl FnOnce(&mut B) -> Operation,
    reason: Reason,
    done: impl FnOnce(u32) -> T,
    otherwise: impl FnOnce(B) -> io::Result<T> + Send,
) -> io::Result<T> {
    if !on_fiber() {
        return otherwise(lent);
    }
    let operation = operation(&mut lent);
    if !supports(&operation) {
        #[cfg(test)]
        if let Some(error) = crate::sched::io::plan().and_then(|plan| plan.strikes_call(&operation)) {
            return Err(error);
        }
        return try_blocking(reason, || otherwise(lent));
    }
    loop {
        // SAFETY: the caller vouches for the memory; when this has returned, the kernel has given it back.
        match unsafe { wait(operation, reason, None) } {
            // A signal came to whichever thread of the kernel's was at it. Nothing was done.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result.map(done),
        }
    }
}

/// A path in the kernel's form.
pub(super) fn terminated(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "file name contained an unexpected NUL byte"))
}
