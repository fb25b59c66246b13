//! What std has for this kind of system, at std's paths: nothing of its own.

/// As [`std::os::unix`].
pub mod unix {
    /// As [`std::os::unix::net`]: [`fiber::net::unix`](crate::net::unix).
    pub mod net {
        pub use crate::net::unix::{Incoming, SocketAddr, UnixDatagram, UnixListener, UnixStream};
    }
}
