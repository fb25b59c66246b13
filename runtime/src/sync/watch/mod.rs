//! A value that changes, and those who want to know when: of a configuration, a state, a shutdown.
//!
//! Receivers see the latest value, not every value. What they get is a snapshot, an [`Arc`] of the value as it is at the moment: nobody
//! is held up by whoever looks at one, however long. Otherwise the names and their meaning are those of `tokio::sync::watch`.
//!
//! Works from fibers and threads, across runtimes: a fiber waits by suspending, a thread by parking. Waiting for a change is a
//! cancellation point that cannot return an error: a cancelled fiber unwinds from it.
//!
//! # Examples
//!
//! ```
//! use fiber::sync::watch;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (limit, mut limits) = watch::channel(10);
//! let watcher = fiber::spawn(move || {
//!     limits.changed().unwrap();
//!     *limits.borrow_and_update()
//! });
//! limit.send(20).unwrap();
//! assert_eq!(watcher.join().unwrap(), 20);
//! # });
//! ```

mod iter;
mod receiver;
mod sender;

pub use iter::Iter;
pub use receiver::Receiver;
pub use sender::Sender;
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError};

use super::Mutex;
use crate::sched::WaitQueue;
use crate::sys::sync::Lock;
use std::sync::Arc;

/// What senders and receivers share.
struct Shared<T> {
    state: Lock<State<T>>,
    /// Held by whoever changes the value, which may take a closure of the user's.
    changing: Mutex<()>,
}

struct State<T> {
    value: Arc<T>,
    /// How often the value was changed.
    version: u64,
    /// Receivers that have seen this version.
    waiting: WaitQueue<()>,
    /// Senders that wait until no receiver is left.
    closing: WaitQueue<()>,
    senders: usize,
    receivers: usize,
}

/// A channel with a first value, which counts as seen by the receiver.
///
/// ```
/// let (sender, mut receiver) = fiber::sync::watch::channel("from a thread, too");
/// assert_eq!(*receiver.borrow(), "from a thread, too");
/// assert_eq!(receiver.has_changed(), Ok(false));
/// sender.send("changed").unwrap();
/// assert_eq!(receiver.has_changed(), Ok(true));
/// assert_eq!(*receiver.borrow_and_update(), "changed");
/// ```
#[must_use]
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let state = State {
        value: Arc::new(value),
        version: 0,
        waiting: WaitQueue::new(),
        closing: WaitQueue::new(),
        senders: 1,
        receivers: 1,
    };
    let shared = Arc::new(Shared { state: Lock::new(state), changing: Mutex::new(()) });
    (Sender { shared: shared.clone() }, Receiver { shared, seen: 0 })
}
