//! A channel whose every receiver gets every message.
//!
//! The channel keeps the latest messages, as many as its capacity, and sending never waits: a receiver that is too slow loses the
//! oldest, and its next call says how many ([`Lagged`]); then it goes on with the oldest that is left. So one slow receiver holds
//! nobody up, and nobody loses anything without being told. The names and their meaning are those of `tokio::sync::broadcast`.
//!
//! A message is dropped as soon as all receivers have had it; the last of them gets the message itself, the others clones. Clones are
//! made outside of the channel's lock. Works from fibers and threads, across runtimes: a fiber waits by suspending, a thread by
//! parking. Receiving is a cancellation point that cannot return an error: a cancelled fiber unwinds from a wait in it, and its receiver
//! stays where it was.
//!
//! # Examples
//!
//! ```
//! use fiber::sync::broadcast;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (sender, mut first) = broadcast::channel(16);
//! let mut second = sender.subscribe();
//! let listener = fiber::spawn(move || second.recv());
//! sender.send("all of you").unwrap();
//! assert_eq!(first.recv(), Ok("all of you"));
//! assert_eq!(listener.join().unwrap(), Ok("all of you"));
//! # });
//! ```
//!
//! A receiver that lags is told:
//!
//! ```
//! use fiber::sync::broadcast::{self, RecvError};
//!
//! let (sender, mut receiver) = broadcast::channel(2);
//! (1..=5).for_each(|n| drop(sender.send(n)));
//! assert_eq!(receiver.recv(), Err(RecvError::Lagged(3)));
//! assert_eq!(receiver.recv(), Ok(4));
//! ```

mod error;
mod iter;
mod receiver;
mod sender;
mod window;

pub use error::{Lagged, RecvError, RecvTimeoutError, SendError, TryRecvError};
pub use iter::Iter;
pub use receiver::Receiver;
pub use sender::Sender;

use self::window::Window;
use crate::sched::WaitQueue;
use crate::sys::sync::Lock;
use std::sync::Arc;

/// What senders and receivers share.
struct Shared<T> {
    state: Lock<State<T>>,
    capacity: usize,
}

struct State<T> {
    window: Window<T>,
    /// Receivers that have had all there is.
    receiving: WaitQueue<()>,
    senders: usize,
    receivers: usize,
}

/// A channel that keeps the latest `capacity` messages for those receivers that have not had them.
///
/// # Panics
///
/// If `capacity` is 0.
///
/// ```
/// let (sender, mut receiver) = fiber::sync::broadcast::channel(8);
/// assert_eq!(sender.send("from a thread, too"), Ok(1), "there is one receiver");
/// assert_eq!(receiver.recv(), Ok("from a thread, too"));
/// ```
#[must_use]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel holds one message at least");
    let state = State { window: Window::new(), receiving: WaitQueue::new(), senders: 1, receivers: 1 };
    let shared = Arc::new(Shared { state: Lock::new(state), capacity });
    (Sender { shared: shared.clone() }, Receiver { shared, next: 0 })
}
