//! Sending and receiving datagrams, of whatever family.
#![deny(unsafe_code)]

use super::mode::Mode;
use super::sockaddr::Address;
use super::socket;
use crate::fiber::Reason;
use std::io;
use std::os::fd::BorrowedFd;

/// A socket for datagrams, on a fiber.
pub(super) struct Exchange<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) mode: &'a Mode,
}

impl Exchange<'_> {
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<usize> {
        socket::receive(self.fd, buf, 0, &self.mode.receiving(Reason::Read))
    }

    pub(super) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        socket::receive(self.fd, buf, libc::MSG_PEEK, &self.mode.receiving(Reason::Peek))
    }

    pub(super) fn receive_from(&self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        socket::receive_from(self.fd, buf, 0, &self.mode.receiving(Reason::Read))
    }

    pub(super) fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, Address)> {
        socket::receive_from(self.fd, buf, libc::MSG_PEEK, &self.mode.receiving(Reason::Peek))
    }

    pub(super) fn send(&self, buf: &[u8]) -> io::Result<usize> {
        socket::send_datagram(self.fd, buf, None, &self.mode.sending())
    }

    pub(super) fn send_to(&self, buf: &[u8], to: &Address) -> io::Result<usize> {
        socket::send_datagram(self.fd, buf, Some(to), &self.mode.sending())
    }
}
