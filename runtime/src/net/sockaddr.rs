//! Addresses in the kernel's form.

use super::SocketAddr;
use std::ffi::OsStr;
use std::io;
use std::mem::{self, offset_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net as unix;
use std::ptr;

/// An address of any family.
pub(super) struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

/// Where the name of a local socket begins.
const NAME: usize = offset_of!(libc::sockaddr_un, sun_path);

impl Address {
    /// Room for the kernel to write an address to.
    pub(super) fn room() -> Address {
        // SAFETY: zeroes are an address of no family.
        let storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Address { storage, len: size_of_val(&storage) as libc::socklen_t }
    }

    fn of<T: Copy>(name: T, len: usize) -> Address {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        const { assert!(align_of::<T>() <= align_of::<libc::sockaddr_storage>()) };
        let mut address = Address::room();
        // SAFETY: it fits, as was just checked, and the storage is bytes.
        unsafe { (&raw mut address.storage).cast::<T>().write(name) };
        address.len = len as libc::socklen_t;
        address
    }

    pub(super) fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    pub(super) fn storage(&self) -> *const libc::sockaddr_storage {
        &raw const self.storage
    }

    pub(super) fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Where the kernel writes to: the address, and its length.
    pub(super) fn parts(&mut self) -> (*mut libc::sockaddr_storage, *mut libc::socklen_t) {
        (&raw mut self.storage, &raw mut self.len)
    }

    /// The kernel has written so much.
    pub(super) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len;
    }

    /// The address as one of the internet.
    pub(super) fn internet(&self) -> io::Result<SocketAddr> {
        let place = ptr::from_ref(&self.storage);
        match self.family() {
            libc::AF_INET => {
                // SAFETY: the family says that it is this kind of address, and every bit pattern of it is one.
                let name = unsafe { place.cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let name = unsafe { place.cast::<libc::sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                let port = u16::from_be(name.sin6_port);
                Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id)))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid argument")),
        }
    }

    /// The address as that of a local socket.
    pub(super) fn local(&self) -> io::Result<unix::SocketAddr> {
        let len = (self.len as usize).saturating_sub(NAME);
        // No length: the kernel did not say who, so a socket without a name.
        if self.len > 0 && self.family() != libc::AF_UNIX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "file descriptor did not correspond to a Unix socket",
            ));
        }
        // SAFETY: the family says that it is this kind of address, and every bit pattern of it is one.
        let address = unsafe { ptr::from_ref(&self.storage).cast::<libc::sockaddr_un>().read() };
        let name = address.sun_path.map(|byte| byte as u8);
        let name = &name[..len.min(name.len())];
        match name.split_first() {
            Some((0, name)) => unix::SocketAddr::from_abstract_name(name),
            // A name that fills the whole place has no zero at its end; std leaves out the last byte all the same.
            Some(_) => unix::SocketAddr::from_pathname(OsStr::from_bytes(&name[..name.len() - 1])),
            None => unix::SocketAddr::from_pathname(""),
        }
    }
}

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Address {
        match address {
            SocketAddr::V4(address) => {
                let name = libc::sockaddr_in {
                    sin_family: libc::AF_INET as _,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                    sin_zero: [0; 8],
                };
                Address::of(name, size_of_val(&name))
            }
            SocketAddr::V6(address) => {
                let name = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as _,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
                Address::of(name, size_of_val(&name))
            }
        }
    }
}

impl From<&unix::SocketAddr> for Address {
    fn from(address: &unix::SocketAddr) -> Address {
        let mut name = libc::sockaddr_un { sun_family: libc::AF_UNIX as _, sun_path: [0; 108] };
        let (start, bytes, end) = match (address.as_pathname(), address.as_abstract_name()) {
            (Some(path), _) => (0, path.as_os_str().as_bytes(), 1),
            (_, Some(name)) => (1, name, 0),
            _ => (0, &b""[..], 0),
        };
        for (place, byte) in name.sun_path[start..].iter_mut().zip(bytes) {
            *place = *byte as libc::c_char;
        }
        Address::of(name, NAME + start + bytes.len() + end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_form() {
        let v6 = SocketAddrV6::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6), 65535, 7, 9);
        for address in [SocketAddr::from(([192, 0, 2, 33], 81)), SocketAddr::from(v6)] {
            assert_eq!(Address::from(&address).internet().unwrap(), address);
        }
        assert_eq!(Address::room().internet().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(Address::room().local().is_err());
    }

    #[test]
    fn names_of_local_sockets_survive_the_kernels_form() {
        let long = "x".repeat(107);
        let paths = ["/tmp/socket", "relative", &long].map(|path| unix::SocketAddr::from_pathname(path).unwrap());
        let names = [&b"name"[..], b"", b"zero\0inside", &[0xff; 107]]
            .map(|name| unix::SocketAddr::from_abstract_name(name).unwrap());
        for address in paths.iter().chain(&names) {
            let back = Address::from(address).local().unwrap();
            assert_eq!(back.as_pathname(), address.as_pathname());
            assert_eq!(back.as_abstract_name(), address.as_abstract_name());
        }
        let unnamed = unix::SocketAddr::from_pathname("").unwrap();
        assert!(unnamed.is_unnamed() && Address::from(&unnamed).local().unwrap().is_unnamed());
        let mut nobody = Address::room();
        nobody.set_len(0);
        assert!(nobody.local().unwrap().is_unnamed());
    }
}
