//! TCP streams and listeners.

mod listener;
mod options;
mod spread;
mod stream;

pub use listener::{AcceptStream, Incoming, TcpListener};
pub use spread::SpreadListener;
pub use stream::TcpStream;

use crate::net::listening::Listening;
use crate::net::readiness::readiness;
use crate::sys::descriptor::descriptor;
use std::net;
use std::os::fd::AsFd;

readiness!(both TcpStream, "there is something to read, or the end of the stream");
readiness!(in TcpListener, "there is a connection to accept");

descriptor!(
    TcpStream,
    net::TcpStream,
    "\
let listener = std::net::TcpListener::bind(\"127.0.0.1:0\")?;
let made_by_std = std::net::TcpStream::connect(listener.local_addr()?)?;
let ours = fiber::net::TcpStream::from(made_by_std);"
);
descriptor!(
    TcpListener,
    net::TcpListener,
    "\
let made_by_std = std::net::TcpListener::bind(\"127.0.0.1:0\")?;
let ours = fiber::net::TcpListener::from(made_by_std);",
    |ours: &mut TcpListener| Listening::release(&mut ours.mode, ours.inner.as_fd())
);
