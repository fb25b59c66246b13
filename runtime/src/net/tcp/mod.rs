//! TCP streams and listeners.

mod listener;
mod options;
mod stream;

pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;

use super::descriptor::descriptor;
use std::net;

descriptor!(
    TcpStream,
    net::TcpStream,
    "\
let listener = std::net::TcpListener::bind(\"127.0.0.1:0\")?;
let made_by_std = std::net::TcpStream::connect(listener.local_addr()?)?;
let socket = fiber::net::TcpStream::from(made_by_std);"
);
descriptor!(
    TcpListener,
    net::TcpListener,
    "\
let made_by_std = std::net::TcpListener::bind(\"127.0.0.1:0\")?;
let socket = fiber::net::TcpListener::from(made_by_std);"
);
