//! A channel for a single message, as the standard library's unstable `std::sync::oneshot`: the answer to a question, the result of
//! some work.
//!
//! Both ends are used up by using them, so the types say what can still happen. They work from fibers and threads, across runtimes: a
//! fiber waits by suspending, a thread by parking. Sending never waits. Receiving is a cancellation point that cannot return an error:
//! a cancelled fiber unwinds from the wait, and the sender's message comes back to it.
//!
//! # Examples
//!
//! ```
//! use fiber::sync::{mpsc, oneshot};
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (ask, questions) = mpsc::channel::<(u32, oneshot::Sender<u32>)>();
//! fiber::spawn(move || {
//!     for (number, answer) in questions {
//!         let _ = answer.send(number * number);
//!     }
//! });
//! let (answer, square) = oneshot::channel();
//! ask.send((12, answer)).unwrap();
//! assert_eq!(square.recv(), Ok(144));
//! # });
//! ```

mod error;
mod receiver;
mod sender;

pub use error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::sched::WaitQueue;
use crate::sys::sync::Lock;
use std::sync::Arc;

/// What the two ends share: until the end of both, at most one message.
struct Shared<T> {
    state: Lock<State<T>>,
}

struct State<T> {
    message: Option<T>,
    /// The receiver, while it waits. A message for one that waits goes straight to it.
    receiving: WaitQueue<T>,
    /// The sender, while it waits for the receiver to go.
    closing: WaitQueue<()>,
    has_sender: bool,
    has_receiver: bool,
}

/// A channel for one message.
///
/// ```
/// let (sender, receiver) = fiber::sync::oneshot::channel();
/// sender.send("from a thread, too").unwrap();
/// assert_eq!(receiver.recv(), Ok("from a thread, too"));
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Lock::new(State {
            message: None,
            receiving: WaitQueue::new(),
            closing: WaitQueue::new(),
            has_sender: true,
            has_receiver: true,
        }),
    });
    (Sender { shared: Some(shared.clone()) }, Receiver { shared: Some(shared) })
}
