//! A stream of signals.
//!
//! The handler sets the signal's bit and raises a counter, in this order. Who waits takes a bit; finding none it empties the counter, looks
//! once more, and waits for the counter. So a signal that comes after the second look finds the counter empty and raises it. Who takes
//! one bit and leaves others raises the counter for those that wait for them: it may have emptied it before.

use super::Signal;
use super::event::Next;
use crate::fiber::Reason;
use crate::sched::Current;
use crate::sched::io::{charge, on_fiber, poll};
use crate::sched::select::Readiness;
use crate::select::{Event, Selectable};
use crate::sys::event;
use crate::sys::signal::{Arrival, Registration, await_raised, register, unregister};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, mem};

/// The signals of some kinds that come to the process from now on.
///
/// As the system does, it tells each kind once, however often it came since it was told last; of several that wait, that with the
/// smallest number first. Any number of streams may watch the same signal, and each is told. If several fibers or threads wait at
/// one stream, one of them is told.
///
/// It works on fibers and threads. As an iterator it ends never: see [`recv`](Self::recv) for errors.
///
/// # Examples
///
/// ```
/// use fiber::signal::{Signal, Signals};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let mut signals = Signals::new([Signal::SIGUSR1])?;
/// let waiter = fiber::spawn(move || signals.next());
/// let kill = format!("kill -USR1 {}", fiber::process::id());
/// assert!(fiber::process::Command::new("sh").args(["-c", &kill]).status()?.success());
/// assert_eq!(waiter.join().unwrap(), Some(Signal::SIGUSR1));
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct Signals {
    mailbox: Arc<Mailbox>,
    watched: Mutex<Vec<(Signal, Registration)>>,
}

/// What came and was not taken.
struct Mailbox {
    /// A bit for each signal, the lowest for number one.
    pending: AtomicU64,
    counter: File,
}

/// One signal's way into a mailbox.
struct Slot {
    signal: Signal,
    mailbox: Arc<Mailbox>,
}

impl Arrival for Slot {
    fn mark(&self) {
        self.mailbox.pending.fetch_or(bit(self.signal), AcqRel);
    }

    fn counter(&self) -> &File {
        &self.mailbox.counter
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

impl Mailbox {
    /// Takes the signal with the smallest number.
    fn take(&self) -> Option<Signal> {
        let mut pending = self.pending.load(Acquire);
        while pending != 0 {
            let rest = pending & (pending - 1);
            match self.pending.compare_exchange_weak(pending, rest, AcqRel, Acquire) {
                Ok(_) => {
                    if rest != 0 {
                        // At its end it is raised already.
                        let _ = (&self.counter).write(&1u64.to_ne_bytes());
                    }
                    return Signal::from_raw(pending.trailing_zeros() as i32 + 1);
                }
                Err(seen) => pending = seen,
            }
        }
        None
    }

    /// Waits until something may have come, at most for so long.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        if on_fiber() {
            return match poll(self.counter.as_fd(), libc::POLLIN, Reason::Signal, timeout) {
                Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
                result => result,
            };
        }
        await_raised(&self.counter, timeout).map(drop)
    }
}

impl Signals {
    /// Watches these signals from now on.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a signal that cannot be watched, see [above](super); what the system
    /// reports, such as too many open descriptors.
    pub fn new(signals: impl IntoIterator<Item = Signal>) -> io::Result<Signals> {
        let mailbox = Arc::new(Mailbox { pending: AtomicU64::new(0), counter: event::counter(true)? });
        let watching = Signals { mailbox, watched: Mutex::new(Vec::new()) };
        signals.into_iter().try_for_each(|signal| watching.add(signal))?;
        Ok(watching)
    }

    /// Watches one more. Twice is once.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn add(&self, signal: Signal) -> io::Result<()> {
        let mut watched = self.watched();
        if watched.iter().all(|(known, _)| *known != signal) {
            let slot = Slot { signal, mailbox: self.mailbox.clone() };
            watched.push((signal, register(signal.as_raw(), Arc::new(slot))?));
        }
        Ok(())
    }

    /// Waits for the next signal. Suspends the fiber, or blocks the thread.
    ///
    /// # Errors
    ///
    /// That of a cancellation or of a time limit around the call.
    pub fn recv(&self) -> io::Result<Signal> {
        let signal = self.recv_until(None)?;
        signal.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    /// Waits for the next signal, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if none came in time; that of a cancellation or of a time limit around the call.
    ///
    /// ```
    /// use fiber::signal::{Signal, Signals};
    /// use std::time::Duration;
    ///
    /// let signals = Signals::new([Signal::SIGUSR2])?;
    /// let error = signals.recv_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> io::Result<Signal> {
        // A moment that the clock does not know is never.
        let signal = self.recv_until(Instant::now().checked_add(timeout))?;
        signal.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no signal came in time"))
    }

    /// The next signal, if one has come. Does not suspend.
    pub fn try_recv(&self) -> Option<Signal> {
        self.mailbox.take()
    }

    /// What [`recv`](Self::recv) waits for, as an event for [`select!`](crate::select!), where it is what `recv()` stands for. Never an error.
    ///
    /// Only the arm that happens takes a signal. Selected on an ordinary thread, it is looked at every 1 to 32 milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::signal::{Signal, Signals};
    /// use fiber::sync::mpsc::channel;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let ends = Signals::new([Signal::SIGTERM])?;
    /// let (sender, requests) = channel();
    /// sender.send("a request").unwrap();
    /// # let kill = format!("kill -TERM {}", fiber::process::id());
    /// # assert!(fiber::process::Command::new("sh").args(["-c", &kill]).status()?.success());
    /// let mut served = 0;
    /// let end = loop {
    ///     fiber::select! {
    ///         request = requests.recv() => served += usize::from(request.is_ok()),
    ///         signal = ends.recv(), if served > 0 => break signal?,
    ///     }
    /// };
    /// assert_eq!(end, Signal::SIGTERM);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn recv_event(&self) -> impl Event<Output = io::Result<Signal>> {
        Next::new(self, Readiness::new(self.mailbox.counter.as_fd(), libc::POLLIN))
    }

    /// The next signal, if one has come. If not, the counter is lowered: what comes from then on raises it.
    pub(super) fn take_or_lower(&self) -> Option<Signal> {
        self.mailbox.take().or_else(|| {
            // At zero it is empty already.
            let _ = (&self.mailbox.counter).read(&mut [0; 8]);
            self.mailbox.take()
        })
    }

    fn recv_until(&self, deadline: Option<Instant>) -> io::Result<Option<Signal>> {
        loop {
            let taken = self.take_or_lower();
            if taken.is_some() {
                charge();
                return Ok(taken);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            self.mailbox.wait(left)?;
        }
    }

    fn watched(&self) -> MutexGuard<'_, Vec<(Signal, Registration)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its next signal.
impl Selectable for &Signals {
    type Output = io::Result<Signal>;

    fn into_event(self) -> impl Event<Output = io::Result<Signal>> {
        self.recv_event()
    }
}

/// Waits, as [`Signals::recv`], and ends never: a wait that is to end early unwinds.
impl Iterator for &Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        match self.recv() {
            Ok(signal) => Some(signal),
            Err(error) => {
                if let Some(current) = Current::get() {
                    current.interruption_point();
                }
                panic!("signals cannot be waited for: {error}");
            }
        }
    }
}

/// As for `&Signals`.
impl Iterator for Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        (&*self).next()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        mem::take(&mut *self.watched()).into_iter().for_each(|(_, registration)| unregister(registration));
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.watched().iter().map(|(signal, _)| signal)).finish()
    }
}

/// Waits for the next Ctrl-C in the terminal (`SIGINT`). Suspends the fiber, or blocks the thread.
///
/// From the first call on, Ctrl-C does not end the process any more, also between calls; what comes then is lost. For a loop use
/// [`Signals`], which keeps it.
///
/// # Errors
///
/// As [`Signals::new`] and [`Signals::recv`].
///
/// # Examples
///
/// ```no_run
/// #[fiber::main]
/// fn main() -> std::io::Result<()> {
///     println!("serving until Ctrl-C");
///     fiber::signal::ctrl_c()
/// }
/// ```
pub fn ctrl_c() -> io::Result<()> {
    Signals::new([Signal::SIGINT])?.recv().map(drop)
}
