//! Channels with many senders and many receivers, as the standard library's unstable `std::sync::mpmc`: unbounded ([`channel`]),
//! bounded, and rendezvous ([`sync_channel`]).
//!
//! Each message goes to one receiver. Both ends can be cloned, shared, and used by fibers and threads at once, of several
//! runtimes: a fiber waits by suspending, a thread by parking. Those who wait are served in the order in which they came. When one
//! side is gone the channel is closed: what was sent before is still received, and a message nobody can receive any more comes back
//! in the error of `send`, or is dropped with the last receiver if it was in the channel.
//!
//! Sending and receiving are cancellation points that cannot return an error: a cancelled fiber unwinds from a wait in them. The
//! message that it was about to send is dropped; a message that it was handed in the same moment is received.
//!
//! The functions that need no wait do not suspend, but for a yield now and then, so that a loop over a ready channel does not keep
//! its worker from everything else; the `try_` functions never do.
//!
//! # Examples
//!
//! ```
//! use fiber::sync::mpmc;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (jobs, queue) = mpmc::sync_channel(8);
//! let (results, sums) = mpmc::channel();
//! for _ in 0..3 {
//!     let (queue, results) = (queue.clone(), results.clone());
//!     fiber::spawn(move || results.send(queue.iter().sum::<u32>()).unwrap());
//! }
//! drop((queue, results));
//! (1..=100).for_each(|job| jobs.send(job).unwrap());
//! drop(jobs);
//! assert_eq!(sums.iter().sum::<u32>(), 5050);
//! # });
//! ```

mod accessors;
mod error;
mod iter;
mod receiver;
mod sender;

pub use error::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
pub use sender::Sender;

use super::channel::Channel;

/// An unbounded channel: sending never waits.
///
/// ```
/// let (sender, receiver) = fiber::sync::mpmc::channel();
/// sender.send("from a thread, too").unwrap();
/// assert_eq!(receiver.clone().recv(), Ok("from a thread, too"));
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    new(None)
}

/// A channel that holds at most `capacity` messages: sending to a full one waits. With a capacity of 0 it is a rendezvous:
/// sending waits until the message is received.
///
/// ```
/// use fiber::sync::mpmc::{TrySendError, sync_channel};
///
/// let (sender, receiver) = sync_channel(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
pub fn sync_channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    new(Some(capacity))
}

fn new<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let channel = Channel::new(capacity);
    (Sender { channel: channel.clone() }, Receiver { channel })
}
