//! One listener for each worker.
#![deny(unsafe_code)]

use super::{TcpListener, TcpStream};
use crate::net::{SocketAddr, ToSocketAddrs};
use crate::sched::Current;
use crate::task::{Builder, CancelToken, Scope, is_cancelled, scope};
use crate::time::sleep;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The first and the longest pause after an accept for which there were no descriptors or no memory. Those of Go's HTTP server
/// (`net/http`, `Server.Serve`), which doubles them as well.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// The most connections that are accepted by a listener that is to stop: as many as can wait at its socket. Clients that never
/// cease to come must not keep it from stopping.
const LAST: usize = 4096;

/// Listens at one address with a socket for each worker, and serves every connection on the worker that the kernel chose for it.
///
/// Fibers do not leave the worker on which they have started. With one [`TcpListener`], the worker of its fiber accepts all connections,
/// and the fibers that serve them are started by whichever worker has time. Here each worker accepts for itself
/// (`SO_REUSEPORT`, as nginx's `reuseport`): no connection passes between workers, and none waits for another worker.
///
/// That pays with many short connections. With few long ones it does not: the kernel chooses by a hash of the addresses, not by who is
/// idle, so two busy connections may share a worker while another has none.
///
/// # Examples
///
/// ```
/// use fiber::CancelToken;
/// use fiber::net::{SpreadListener, TcpStream};
/// use std::io::{Read, Write};
///
/// # fiber::runtime::Builder::new().workers(2).build().unwrap().run(|| -> std::io::Result<()> {
/// let listener = SpreadListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let stop = CancelToken::new();
/// let server = fiber::spawn({
///     let stop = stop.clone();
///     move || listener.serve_until(&stop, |mut peer, _| drop(peer.write_all(b"welcome")))
/// });
/// let mut greeting = String::new();
/// TcpStream::connect(address)?.read_to_string(&mut greeting)?;
/// assert_eq!(greeting, "welcome");
/// stop.cancel();
/// server.join().unwrap()
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct SpreadListener {
    /// Those of the other workers are bound when their number is known.
    first: TcpListener,
}

impl SpreadListener {
    /// Listens at the first of the addresses that lets it, with one socket for now. As [`TcpListener::bind_reuse_port`].
    ///
    /// # Errors
    ///
    /// As [`TcpListener::bind_reuse_port`].
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<SpreadListener> {
        Ok(SpreadListener { first: TcpListener::bind_reuse_port(addr)? })
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.first.local_addr()
    }

    /// So many listeners, for loops of your own: at least one.
    ///
    /// ```
    /// use fiber::net::SpreadListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listeners = SpreadListener::bind("127.0.0.1:0")?.into_listeners(3)?;
    /// assert_eq!(listeners.len(), 3);
    /// assert_eq!(listeners[0].local_addr()?, listeners[2].local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn into_listeners(self, count: usize) -> io::Result<Vec<TcpListener>> {
        let address = self.local_addr()?;
        let mut listeners = vec![self.first];
        while listeners.len() < count {
            listeners.push(TcpListener::bind_reuse_port(address)?);
        }
        Ok(listeners)
    }

    /// Accepts on every worker and runs `handler` in a fiber for each connection, on the worker that accepted it. Goes on until the
    /// caller is cancelled or its time limit passes; then the connections' fibers are cancelled and awaited.
    ///
    /// As [`serve_until`](Self::serve_until) otherwise.
    ///
    /// # Errors
    ///
    /// As [`serve_until`](Self::serve_until).
    ///
    /// # Panics
    ///
    /// As [`serve_until`](Self::serve_until).
    pub fn serve<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(TcpStream, SocketAddr) + Send + Sync,
    {
        self.serve_until(&CancelToken::new(), handler)
    }

    /// Accepts on every worker and runs `handler` in a fiber for each connection, on the worker that accepted it, until `stop` is cancelled.
    ///
    /// Then connections that are there are still accepted, the sockets are closed, and the call returns when the last
    /// handler has. A connection that is made between the last look and the closing of its socket is reset, as with any server.
    /// The handlers learn of `stop` only if they ask it.
    ///
    /// `handler` may borrow. Its fibers belong to a [`scope`](crate::scope()): if the caller is cancelled, or its time limit passes, they are
    /// cancelled and awaited.
    ///
    /// An accept that fails for a connection's sake (`ECONNABORTED` and what else accept(2) says to treat so) is made again; one for which
    /// there are no descriptors or no memory (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`) is made again after a pause of 5 ms, twice that the next
    /// time, and so on up to a second.
    ///
    /// # Errors
    ///
    /// If the sockets cannot be bound; any other error of an accept, after which it ends as if stopped.
    ///
    /// # Panics
    ///
    /// On a thread that is no fiber. If a handler panicked: that ends only its own connection, and the panic goes on here when the last
    /// handler has ended.
    pub fn serve_until<F>(self, stop: &CancelToken, handler: F) -> io::Result<()>
    where
        F: Fn(TcpStream, SocketAddr) + Send + Sync,
    {
        let workers = Current::get()
            .expect("SpreadListener::serve was called on a thread that is not a fiber; call it in fiber::spawn")
            .scheduler()
            .workers();
        let listeners = self.into_listeners(workers)?;
        let service = Service { stop: stop.child(), handler, failure: Mutex::new(None) };
        scope(|s| {
            for (worker, listener) in listeners.into_iter().enumerate() {
                let service = &service;
                let accepting = move || scope(|connections| service.accept(listener, worker, connections));
                Builder::new().name(format!("accept {worker}")).spawn_scoped_on(s, worker, accepting);
            }
        });
        service.failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

struct Service<F> {
    stop: CancelToken,
    handler: F,
    /// What ended it.
    failure: Mutex<Option<io::Error>>,
}

/// What to do about an accept that failed.
enum Remedy {
    Again,
    Pause,
    None,
}

impl<F: Fn(TcpStream, SocketAddr) + Send + Sync> Service<F> {
    /// Accepts on one worker until it is to stop.
    fn accept<'scope>(&'scope self, listener: TcpListener, worker: usize, connections: &'scope Scope<'scope, '_>) {
        let serve = |(peer, address)| {
            Builder::new().spawn_scoped_on(connections, worker, move || (self.handler)(peer, address));
        };
        let failure = self.stop.run(|| self.accept_until_failure(&listener, usize::MAX, serve));
        if is_cancelled() {
            return;
        }
        if let Ok(Some(error)) = failure
            && error.raw_os_error().is_some()
        {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stop.cancel();
        }
        // Who has connected by now is served.
        if listener.set_nonblocking(true).is_ok() {
            self.accept_until_failure(&listener, LAST, serve);
        }
    }

    /// Accepts so many connections, or until that fails for good, and returns the error then.
    fn accept_until_failure(
        &self,
        listener: &TcpListener,
        most: usize,
        serve: impl Fn((TcpStream, SocketAddr)),
    ) -> Option<io::Error> {
        let (mut accepted, mut pause) = (0, PAUSES.0);
        while accepted < most {
            match listener.accept() {
                Ok(connection) => {
                    accepted += 1;
                    pause = PAUSES.0;
                    serve(connection);
                }
                Err(error) => match remedy(&error) {
                    Remedy::Again => (),
                    Remedy::Pause => {
                        sleep(pause);
                        pause = (pause * 2).min(PAUSES.1);
                    }
                    Remedy::None => return Some(error),
                },
            }
        }
        None
    }
}

fn remedy(error: &io::Error) -> Remedy {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Remedy::Pause,
        Some(
            libc::ECONNABORTED
            | libc::EINTR
            | libc::EPERM
            | libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ENETUNREACH,
        ) => Remedy::Again,
        _ => Remedy::None,
    }
}
