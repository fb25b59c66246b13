//! Local sockets, with the names of [`std::os::unix::net`].
//!
//! [`SocketAddr`] is std's, with its [abstract names](std::os::linux::net::SocketAddrExt). The types themselves are also in
//! [`fiber::net`](crate::net), and everything is at std's path too: [`fiber::os::unix::net`](crate::os::unix::net).

mod datagram;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{AcceptStream, Incoming, UnixListener};
pub use std::os::unix::net::SocketAddr;
pub use stream::UnixStream;

use crate::net::listening::Listening;
use crate::net::readiness::readiness;
use crate::sys::descriptor::descriptor;
use std::os::fd::AsFd;
use std::os::unix::net;

readiness!(both UnixStream, "there is something to read, or the end of the stream");
readiness!(in UnixListener, "there is a connection to accept");
readiness!(both UnixDatagram, "there is a datagram");

descriptor!(
    UnixStream,
    net::UnixStream,
    "\
let (made_by_std, _peer) = std::os::unix::net::UnixStream::pair()?;
let ours = fiber::net::UnixStream::from(made_by_std);"
);

descriptor!(
    UnixListener,
    net::UnixListener,
    "\
# use std::os::linux::net::SocketAddrExt;
# let name = format!(\"example of a listener from std in process {}\", std::process::id());
# let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
let made_by_std = std::os::unix::net::UnixListener::bind_addr(&address)?;
let ours = fiber::net::UnixListener::from(made_by_std);",
    |ours: &mut UnixListener| Listening::release(&mut ours.mode, ours.inner.as_fd())
);

descriptor!(
    UnixDatagram,
    net::UnixDatagram,
    "\
let made_by_std = std::os::unix::net::UnixDatagram::unbound()?;
let ours = fiber::net::UnixDatagram::from(made_by_std);"
);
