//! A connection as one end of what the kernel moves.
#![deny(unsafe_code)]

use super::mode::Mode;
use super::{TcpStream, UnixStream};
use crate::fiber::Reason;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// A stream's socket, and what a wait for it has to know.
pub(crate) struct Connection<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) mode: &'a Mode,
}

impl Connection<'_> {
    /// Whether its transfers wait.
    pub(crate) fn waits(&self) -> bool {
        self.mode.sending().waits
    }

    /// How long one wait for something to read may last.
    pub(crate) fn read_limit(&self) -> Option<Duration> {
        self.mode.receiving(Reason::Copy).timeout
    }
}

macro_rules! connection {
    ($kind:ident) => {
        impl $kind {
            /// The connection as one end of what the kernel moves.
            pub(crate) fn connection(&self) -> Connection<'_> {
                Connection { socket: self.as_fd(), mode: &self.mode }
            }
        }
    };
}

connection!(TcpStream);
connection!(UnixStream);
