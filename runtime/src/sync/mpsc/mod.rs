//! Channels with many senders and one receiver, as [`std::sync::mpsc`]: unbounded ([`channel`]), bounded and rendezvous
//! ([`sync_channel`]).
//!
//! The error types are std's. Everything works from fibers and from threads: a fiber waits by suspending, a thread by parking.
//! Senders that wait are served in the order in which they came. Sending and receiving are cancellation points that cannot
//! return an error: a cancelled fiber unwinds from a wait in them, and a message that it was about to send is dropped.
//!
//! For several receivers, time-outs of `send`, and the length of a channel, see [`mpmc`].
//!
//! # Examples
//!
//! ```
//! use fiber::sync::mpsc::channel;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (sender, receiver) = channel();
//! for n in 0..3 {
//!     let sender = sender.clone();
//!     fiber::spawn(move || sender.send(n).unwrap());
//! }
//! drop(sender);
//! let mut received: Vec<i32> = receiver.iter().collect();
//! received.sort();
//! assert_eq!(received, [0, 1, 2]);
//! # });
//! ```

mod iter;
mod receiver;
mod sender;

pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
pub use sender::{Sender, SyncSender};
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use super::mpmc;
use std::marker::PhantomData;

/// An unbounded channel: sending never waits.
///
/// ```
/// let (sender, receiver) = fiber::sync::mpsc::channel();
/// sender.send("from a thread, too").unwrap();
/// assert_eq!(receiver.recv(), Ok("from a thread, too"));
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpmc::channel();
    (Sender { sender }, Receiver { receiver, alone: PhantomData })
}

/// A channel that holds at most `bound` messages: sending to a full one waits. With a bound of 0, sending waits until the
/// message is received.
///
/// ```
/// use fiber::sync::mpsc::sync_channel;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (sender, receiver) = sync_channel(1);
/// let producer = fiber::spawn(move || (0..10).for_each(|n| sender.send(n).unwrap()));
/// assert_eq!(receiver.iter().sum::<i32>(), 45);
/// # producer.join().unwrap();
/// # });
/// ```
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = mpmc::sync_channel(bound);
    (SyncSender { sender }, Receiver { receiver, alone: PhantomData })
}
