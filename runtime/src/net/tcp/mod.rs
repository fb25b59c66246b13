//! TCP streams and listeners.

mod descriptor;
mod listener;
mod mode;
mod options;
mod stream;
mod transfer;

pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;
