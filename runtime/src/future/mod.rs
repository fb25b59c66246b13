//! Sockets and timers for async code: streams and sleeps that are polled instead of waited for.
//!
//! Most code on fibers needs nothing of this: it reads from a [`TcpStream`](crate::net::TcpStream) and sleeps with
//! [`time::sleep`](crate::time::sleep), and runs a future that it meets with [`block_on`](crate::block_on). This module is for libraries
//! that are written as futures and want to be given a connection: HTTP by `hyper`, TLS, WebSocket, codecs.
//!
//! | | without features | feature `futures-io` | feature `tokio` | feature `hyper` |
//! | --- | --- | --- | --- | --- |
//! | [`Async`]`<TcpStream>`, [`Async`]`<UnixStream>` | `read`, `write`, `readable`, `writable` | `AsyncRead`, `AsyncWrite` of `futures-io` | `AsyncRead`, `AsyncWrite` of `tokio` | `hyper::rt::{Read, Write}` |
//! | [`Sleep`] | `Future` | | | `hyper::rt::Sleep`, `FiberTimer: hyper::rt::Timer` |
//! | `FiberExecutor` | | | | `hyper::rt::Executor`: a fiber for each future |
//!
//! ```
//! use fiber::future::{Async, sleep};
//! use fiber::net::{TcpListener, TcpStream};
//! use fiber::time::Duration;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()?)?;
//! let (server, _) = listener.accept()?;
//! let (mut client, mut server) = (Async::new(client), Async::new(server));
//! let answer = fiber::spawn(move || fiber::block_on(async {
//!     let mut buf = [0; 16];
//!     let n = client.read(&mut buf).await?;
//!     Ok::<_, std::io::Error>(buf[..n].to_vec())
//! }));
//! fiber::block_on(async {
//!     sleep(Duration::from_millis(1)).await;
//!     server.write(b"late, but here").await
//! })?;
//! assert_eq!(answer.join().unwrap()?, b"late, but here");
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! # Where they can be polled
//!
//! Anywhere. In [`block_on`](crate::block_on) on a fiber, the fiber's worker waits for them, with its io_uring or epoll and its timers:
//! one request each time that there is nothing yet, as for a call that suspends. On a thread, with `block_on` or under an executor of somebody
//! else's, Tokio's say, one thread of the process (`fiber-lookout`, started when it is first needed) waits for all of them by epoll; that costs two
//! switches of threads each time. No runtime need be up. A future may be moved from one to the other between polls.
//!
//! # What they promise
//!
//! - `poll` never suspends the fiber and never blocks the thread. A transfer is tried first; only what would have to wait has a waker called
//!   later. Nothing that was lent to `poll` is used after it has returned, so a future may be dropped at any time, and a read that was
//!   dropped has taken no byte.
//! - What is dropped while it waits leaves nothing behind: the wait is taken back, also from another thread than the one that began it.
//! - The cancellation of a fiber does not reach into futures: it unwinds from `block_on`, which drops them.
//! - A task whose transfers never have to wait gives way as often as one that calls them directly.

// The room makes futures of what `net` can try without waiting and `sched::lookout` can wait for. It owns no wait: lookouts are kept by workers. It
// calls `net`, `sched`, and for executors `task`. `unsafe` is confined to the buffers of `tokio` and `hyper`, whose unfilled parts may be
// uninitialised.
//
// Rejected: the traits on `TcpStream` itself (the methods of `futures_io::AsyncReadExt` and `std::io::Read` have the same names, so both
// would have to be called by path, and every stream would carry room for two waits); handing the operation itself to io_uring (its buffer would
// have to outlive a future that is dropped); a readiness that is kept between polls, as with edge-triggered epoll (every transfer past
// the wrapper would have to be known to it).

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
mod sleep;
mod stream;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "hyper")]
pub use hyper::{FiberExecutor, FiberTimer};
pub use sleep::{Sleep, sleep, sleep_until};
pub use stream::{Async, Stream};
