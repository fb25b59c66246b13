//! Looking up host names away from the workers.
//!
//! The system's resolver (`getaddrinfo`) blocks, for seconds if a name server is dead. So the look-ups of fibers have a pool of their
//! own, which they cannot share with other blocking calls: those would come to a stop with the name server. It is the process's, like
//! the resolver.
#![deny(unsafe_code)]

use super::SocketAddr;
use crate::fiber::Reason;
use crate::sched::io::on_fiber;
use crate::task::{Pool, ask};
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, LazyLock};

/// So many look-ups run at once in a process. A dead name server then holds up so many threads and no more.
const THREADS: usize = 64;

static LOOKUPS: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Arc::new(Pool::new("fiber-lookup-".to_owned(), THREADS, Vec::new())));

/// The addresses of `host`, with `port`.
///
/// Errors are the resolver's, a refused thread, and on a fiber a cancellation; the look-up is then withdrawn if it has not begun, and
/// otherwise ends by itself.
pub(super) fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if !on_fiber() {
        return Ok((host, port).to_socket_addrs()?.collect());
    }
    let host = host.to_owned();
    ask(&LOOKUPS, Reason::Lookup, move || Ok((&*host, port).to_socket_addrs()?.collect()))
}
