//! From what a program writes as an address to socket addresses.
#![deny(unsafe_code)]

use super::lookup::lookup;
use super::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{io, iter, option, slice, vec};

/// What can be turned into socket addresses: std's [`ToSocketAddrs`](std::net::ToSocketAddrs), suspending where it has to ask.
///
/// A textual address (`"127.0.0.1:80"`, `("::1", 80)`) is parsed in place. A name is looked up through the system's resolver,
/// with all that it is configured to do, on a thread for look-ups: on a fiber, the call suspends until the answer is there. There are
/// at most 64 such threads in a process; further look-ups queue.
///
/// # Errors
///
/// As std's: of kind [`InvalidInput`](io::ErrorKind::InvalidInput) for text that is no address, otherwise what the resolver says. On a
/// fiber also the error of a cancellation; the thread then finishes on its own and its answer is dropped.
///
/// # Examples
///
/// ```
/// use fiber::net::{SocketAddr, ToSocketAddrs};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let mut literal = "127.0.0.1:80".to_socket_addrs()?;
/// assert_eq!(literal.next(), Some(SocketAddr::from(([127, 0, 0, 1], 80))));
///
/// let found: Vec<SocketAddr> = ("localhost", 80).to_socket_addrs()?.collect();
/// assert!(found.iter().all(|address| address.ip().is_loopback()));
/// # Ok(())
/// # }).unwrap();
/// ```
pub trait ToSocketAddrs {
    /// The addresses, in the order in which to try them.
    type Iter: Iterator<Item = SocketAddr>;

    /// Turns the value into addresses. May suspend the fiber, or block the thread; see the trait.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

macro_rules! single {
    ($($(#[$doc:meta])* $kind:ty: $value:ident => $address:expr;)*) => {$(
        $(#[$doc])*
        impl ToSocketAddrs for $kind {
            type Iter = option::IntoIter<SocketAddr>;
            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                let $value = *self;
                Ok(Some(SocketAddr::from($address)).into_iter())
            }
        }
    )*};
}

single! {
    SocketAddr: address => address;
    SocketAddrV4: address => address;
    SocketAddrV6: address => address;
    (IpAddr, u16): address => address;
    (Ipv4Addr, u16): address => address;
    (Ipv6Addr, u16): address => address;
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let (host, port) = *self;
        let addresses = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::from((ip, port))],
            Err(_) => lookup(host, port)?,
        };
        Ok(addresses.into_iter())
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (&*self.0, self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address].into_iter());
        }
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("invalid socket address"))?;
        let port: u16 = port.parse().map_err(|_| invalid("invalid port value"))?;
        Ok(lookup(host, port)?.into_iter())
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = iter::Cloned<slice::Iter<'a, SocketAddr>>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

/// Calls `f` with each address until it succeeds, and gives the last error if it never does, as std's functions do.
///
/// The end of the fiber's patience, as opposed to that of one attempt, ends all of them.
pub(super) fn each<A: ToSocketAddrs, T>(addresses: A, mut f: impl FnMut(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match f(address) {
            // The system's errors have a number; a cancellation and a time limit of the fiber do not.
            Err(error) if error.raw_os_error().is_some() => last = Some(error),
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")))
}
