//! Channels with many senders and one receiver, as [`std::sync::mpsc`]: unbounded ([`channel`]), bounded and rendezvous
//! ([`sync_channel`]).
//!
//! The error types are std's. Sending and receiving are cancellation points that cannot return an error: a cancelled fiber
//! unwinds from a wait in them, and a message that it was about to send is dropped.
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

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList, io};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// An unbounded channel: sending never waits.
///
/// ```
/// let (sender, receiver) = fiber::sync::mpsc::channel();
/// sender.send("from a thread, too").unwrap();
/// assert_eq!(receiver.recv(), Ok("from a thread, too"));
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Channel::new(None);
    (Sender { channel: channel.clone() }, Receiver { channel })
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
    let channel = Channel::new(Some(bound));
    (SyncSender { channel: channel.clone() }, Receiver { channel })
}

struct Channel<T> {
    state: Mutex<State<T>>,
    /// The receiver, while it waits for a message.
    receiver: WaitList,
    /// Senders that wait for room.
    senders: WaitList,
    /// Senders of a rendezvous channel whose message lies there and has not been received.
    handing_over: WaitList,
}

struct State<T> {
    queue: VecDeque<T>,
    /// `None` if unbounded.
    bound: Option<usize>,
    senders: usize,
    receiver_alive: bool,
    /// Messages ever queued and ever received: the numbers of a rendezvous.
    queued: u64,
    received: u64,
}

impl<T> State<T> {
    /// Whether a message can be queued. A rendezvous channel has room for the one that is being handed over.
    fn has_room(&self) -> bool {
        self.bound.is_none_or(|bound| self.queue.len() < bound.max(1))
    }
}

impl<T> Channel<T> {
    fn new(bound: Option<usize>) -> Arc<Channel<T>> {
        Arc::new(Channel {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bound,
                senders: 1,
                receiver_alive: true,
                queued: 0,
                received: 0,
            }),
            receiver: WaitList::new(),
            senders: WaitList::new(),
            handing_over: WaitList::new(),
        })
    }

    /// The state. No user code runs under this lock, so nothing can poison it, and it is held for some instructions only.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_send(&self, message: T) -> Result<u64, TrySendError<T>> {
        let mut state = self.lock();
        if !state.receiver_alive {
            return Err(TrySendError::Disconnected(message));
        }
        if !state.has_room() {
            return Err(TrySendError::Full(message));
        }
        state.queue.push_back(message);
        state.queued += 1;
        let number = state.queued;
        drop(state);
        self.receiver.wake_one();
        Ok(number)
    }

    fn send(&self, mut message: T) -> Result<(), SendError<T>> {
        loop {
            match self.try_send(message) {
                Ok(number) => {
                    io::charge();
                    return if self.lock().bound == Some(0) { self.hand_over(number) } else { Ok(()) };
                }
                Err(TrySendError::Disconnected(message)) => return Err(SendError(message)),
                Err(TrySendError::Full(back)) => message = back,
            }
            let full = || {
                let state = self.lock();
                state.receiver_alive && !state.has_room()
            };
            if let Err(GaveUp::Interrupted(interruption)) = self.senders.wait(Reason::Send, None, false, full) {
                // Whoever made room may have counted on this sender.
                self.senders.wake_one();
                interruption.raise();
            }
        }
    }

    /// Waits until the message with this number was received; takes it back if it never will be.
    fn hand_over(&self, number: u64) -> Result<(), SendError<T>> {
        loop {
            let waiting = || {
                let state = self.lock();
                state.receiver_alive && state.received < number
            };
            let waited = self.handing_over.wait(Reason::Send, None, false, waiting);
            let mut state = self.lock();
            if state.received >= number {
                return Ok(());
            }
            // Numbers are received in order, so the message is as far from the front as it is from being received.
            let interrupted = matches!(waited, Err(GaveUp::Interrupted(_)));
            if !state.receiver_alive || interrupted {
                let message = state.queue.pop_back();
                state.queued -= u64::from(message.is_some());
                drop(state);
                self.senders.wake_one();
                if let Err(GaveUp::Interrupted(interruption)) = waited {
                    drop(message);
                    interruption.raise();
                }
                return message.map_or(Ok(()), |message| Err(SendError(message)));
            }
        }
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.lock();
        let Some(message) = state.queue.pop_front() else {
            return Err(if state.senders == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty });
        };
        state.received += 1;
        let bound = state.bound;
        drop(state);
        if bound.is_some() {
            self.senders.wake_one();
            if bound == Some(0) {
                self.handing_over.wake_all();
            }
        }
        Ok(message)
    }

    fn recv(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        loop {
            match self.try_recv() {
                Ok(message) => {
                    io::charge();
                    return Ok(message);
                }
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => (),
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(RecvTimeoutError::Timeout);
            }
            let empty = || {
                let state = self.lock();
                state.queue.is_empty() && state.senders > 0
            };
            if let Err(GaveUp::Interrupted(interruption)) = self.receiver.wait(Reason::Receive, left, false, empty) {
                interruption.raise();
            }
        }
    }

    fn add_sender(&self) {
        self.lock().senders += 1;
    }

    fn remove_sender(&self) {
        let mut state = self.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            self.receiver.wake_all();
        }
    }
}

/// The sending half of [`channel`]. Cloning adds a sender; the channel is closed when the last is dropped.
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is gone.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.channel.send(message)
    }
}

/// The sending half of [`sync_channel`]. Cloning adds a sender; the channel is closed when the last is dropped.
pub struct SyncSender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> SyncSender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is gone.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.channel.send(message)
    }

    /// Sends a message if that takes no wait.
    ///
    /// # Errors
    ///
    /// The message, if the channel is full, or a rendezvous whose receiver does not wait; or if the receiver is gone.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let channel = &*self.channel;
        if channel.lock().bound == Some(0) && !channel.receiver.has_waiters() {
            let gone = !channel.lock().receiver_alive;
            return Err(if gone { TrySendError::Disconnected(message) } else { TrySendError::Full(message) });
        }
        channel.try_send(message).map(drop)
    }
}

/// The receiving half of a channel. There is one: it cannot be cloned.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives the oldest message; waits for one.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.channel.recv(None).map_err(|_| RecvError)
    }

    /// Receives the oldest message if there is one.
    ///
    /// # Errors
    ///
    /// If the channel is empty; and whether senders are left.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.channel.try_recv()
    }

    /// Receives the oldest message; waits for one, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If no message came in time, or none can come.
    ///
    /// ```
    /// use fiber::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = channel::<u8>();
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    /// drop(sender);
    /// assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.channel.recv(Instant::now().checked_add(timeout))
    }

    /// The messages, one after the other; waits for each, and ends when no sender is left.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The messages that are there; does not wait.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.channel.add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        self.channel.add_sender();
        SyncSender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.remove_sender();
    }
}

impl<T> Drop for SyncSender<T> {
    fn drop(&mut self) {
        self.channel.remove_sender();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.receiver_alive = false;
        // A message that is being handed over goes back to its sender; the others are dropped here, after the lock.
        let left = if state.bound == Some(0) { VecDeque::new() } else { std::mem::take(&mut state.queue) };
        drop(state);
        self.channel.senders.wake_all();
        self.channel.handing_over.wake_all();
        drop(left);
    }
}

/// The iterator of [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// The iterator of [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// The iterator of a receiver that is consumed.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
