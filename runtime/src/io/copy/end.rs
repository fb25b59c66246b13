//! Which readers and writers are descriptors and nothing else.
#![allow(unsafe_code, reason = "looks behind a type parameter")]

use crate::fs::File;
use crate::io::{PipeReader, PipeWriter};
use crate::net::{Connection, TcpStream, UnixStream};
use crate::process::{ChildStderr, ChildStdin, ChildStdout};
use std::any::TypeId;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;

/// One end of a copy.
pub(super) struct End<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// The file, whose position takes turns.
    pub(super) file: Option<&'a File>,
    /// The connection.
    pub(super) connection: Option<Connection<'a>>,
}

/// What is known of a reader or writer without a buffer of its own; nothing of other types.
pub(super) fn of<T: ?Sized>(stream: &T) -> Option<End<'_>> {
    let id = typeid::of::<T>();
    macro_rules! among {
        ($($kind:ty: $stream:ident => $connection:expr),*) => {$(
            if id == TypeId::of::<$kind>() {
                // SAFETY: the type is this one, and has no lifetimes in which it could differ.
                let $stream = unsafe { &*ptr::from_ref(stream).cast::<$kind>() };
                return Some(End { fd: $stream.as_fd(), file: None, connection: $connection });
            }
            if id == TypeId::of::<&'static $kind>() {
                // SAFETY: the type is this but for the lifetime of the reference, and that is not shorter than that of `stream`,
                // through which it is used.
                let $stream: &$kind = unsafe { *ptr::from_ref(stream).cast::<&$kind>() };
                return Some(End { fd: $stream.as_fd(), file: None, connection: $connection });
            }
        )*};
    }
    if id == TypeId::of::<File>() {
        // SAFETY: as in the macro.
        let file = unsafe { &*ptr::from_ref(stream).cast::<File>() };
        return Some(End { fd: file.as_fd(), file: Some(file), connection: None });
    }
    if id == TypeId::of::<&'static File>() {
        // SAFETY: as in the macro.
        let file: &File = unsafe { *ptr::from_ref(stream).cast::<&File>() };
        return Some(End { fd: file.as_fd(), file: Some(file), connection: None });
    }
    among!(
        PipeReader: pipe => None,
        PipeWriter: pipe => None,
        ChildStdin: pipe => None,
        ChildStdout: pipe => None,
        ChildStderr: pipe => None,
        TcpStream: connection => Some(connection.connection()),
        UnixStream: connection => Some(connection.connection())
    );
    None
}
