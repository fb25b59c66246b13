//! Fibers whose results are taken as they come.

use super::builder::Builder;
use super::join_error::JoinError;
use super::join_handle::{JoinHandle, wait_for};
use crate::fiber::Reason;
use crate::select::Event;
use crate::sync::mpsc::{Receiver, Sender, channel};
use std::collections::HashMap;
use std::fmt;

/// A set of fibers of which the results are taken in the order in which they end.
///
/// Dropping it cancels the fibers that are left, and does not wait for them; [`shutdown`](Self::shutdown) does. For fibers that borrow
/// there is [`scope`](crate::scope). Works from fibers and threads.
///
/// ```
/// use fiber::JoinSet;
/// use fiber::time::{Duration, sleep};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let mut set = JoinSet::new();
/// for n in [30, 1, 15] {
///     set.spawn(move || {
///         sleep(Duration::from_millis(n));
///         n
///     });
/// }
/// let mut ended = Vec::new();
/// while let Some(result) = set.join_next() {
///     ended.push(result.unwrap());
/// }
/// assert_eq!(ended, [1, 15, 30]);
/// # });
/// ```
pub struct JoinSet<T> {
    fibers: HashMap<u64, JoinHandle<T>>,
    /// Fibers that are about to end say so, with their number.
    ended: Receiver<u64>,
    ending: Sender<u64>,
    /// One of which that was heard, and the result not taken yet.
    next: Option<u64>,
    numbers: u64,
}

/// Says that a fiber is about to end, also if it never began.
struct Ending(Sender<u64>, u64);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Spawns a fiber into the set. As [`spawn`](crate::spawn).
    ///
    /// # Panics
    ///
    /// On a thread, if no runtime is up.
    #[track_caller]
    pub fn spawn(&mut self, f: impl FnOnce() -> T + Send + 'static) {
        self.spawn_with(Builder::new(), f);
    }

    /// Spawns a fiber with these properties into the set. As [`Builder::spawn`].
    ///
    /// # Panics
    ///
    /// On a thread, if no runtime is up.
    #[track_caller]
    pub fn spawn_with(&mut self, builder: Builder, f: impl FnOnce() -> T + Send + 'static) {
        self.numbers += 1;
        let ending = Ending(self.ending.clone(), self.numbers);
        let fiber = builder.spawn(move || {
            let _ending = ending;
            f()
        });
        self.fibers.insert(self.numbers, fiber);
    }
}

impl<T> JoinSet<T> {
    /// A set without fibers.
    #[must_use]
    // Not into a caller that suspends: a map draws on what its thread has of chance.
    #[cfg_attr(feature = "migrate", inline(never))]
    pub fn new() -> JoinSet<T> {
        let (ending, ended) = channel();
        JoinSet { fibers: HashMap::new(), ended, ending, next: None, numbers: 0 }
    }

    /// Waits for the next fiber to end, and returns its result; `None` if there is none in the set.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from the wait, and no result is lost.
    pub fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        if self.fibers.is_empty() {
            return None;
        }
        if self.next.is_none() {
            self.next = Some(self.ended.recv().expect("the set has a sender itself"));
        }
        self.take_next()
    }

    /// The result of a fiber that has ended, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        if self.next.is_none() {
            self.next = Some(self.ended.try_recv().ok()?);
        }
        self.take_next()
    }

    /// The next result, as an event for [`select!`](crate::select!), where it is what `join_next()` stands for. It does not happen while the
    /// set is empty.
    ///
    /// ```
    /// use fiber::time::{Duration, after};
    /// use fiber::{JoinSet, select};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let mut set = JoinSet::new();
    /// set.spawn(|| 5);
    /// let mut results = Vec::new();
    /// while !set.is_empty() {
    ///     select! {
    ///         result = set.join_next() => results.push(result.unwrap()),
    ///         () = after(Duration::from_secs(60)) => set.cancel_all(),
    ///     }
    /// }
    /// assert_eq!(results, [5]);
    /// # });
    /// ```
    pub fn join_next_event(&mut self) -> impl Event<Output = Result<T, JoinError>> {
        let JoinSet { fibers, ended, next, .. } = self;
        // What was heard and not taken is heard again.
        if let Some(next) = next.take() {
            let _ = self.ending.send(next);
        }
        let any = !fibers.is_empty();
        any.then(move || ended.recv_event().map(|number| join(fibers, number.expect("the set has a sender itself"))))
    }

    fn take_next(&mut self) -> Option<Result<T, JoinError>> {
        let number = self.next?;
        let fiber = self.fibers.get(&number)?;
        // It is about to end. If this wait is cut short, the result stays.
        wait_for(fiber.fiber_ref(), Reason::Join, |current| current.interruption_point());
        self.next = None;
        Some(join(&mut self.fibers, number))
    }

    /// How many fibers are in the set: those whose results were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fibers.len()
    }

    /// Whether there is no fiber in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fibers.is_empty()
    }

    /// Asks all fibers of the set to end. As [`JoinHandle::cancel`]; they stay in the set until they have.
    pub fn cancel_all(&self) {
        self.fibers.values().for_each(JoinHandle::cancel);
    }

    /// Asks all fibers of the set to end, waits until they have, and drops their results.
    ///
    /// A cancellation point, as [`join_next`](Self::join_next).
    pub fn shutdown(&mut self) {
        self.cancel_all();
        while self.join_next().is_some() {}
    }

    /// Waits for all fibers, and returns their results in the order in which they ended.
    ///
    /// # Panics
    ///
    /// If one of them panicked, with its panic, and if one was cancelled. The others are cancelled then.
    #[track_caller]
    pub fn join_all(mut self) -> Vec<T> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next() {
            match result {
                Ok(result) => results.push(result),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => std::panic::resume_unwind(payload),
                    Err(error) => panic!("{error}"),
                },
            }
        }
        results
    }

    /// Takes all fibers out of the set, and lets them run on by themselves.
    pub fn detach_all(&mut self) {
        self.fibers.clear();
        self.next = None;
        // Their numbers will come, and mean nobody: a new channel does not hear them.
        (self.ending, self.ended) = channel();
    }
}

/// Takes the result of a fiber that is about to end.
fn join<T>(fibers: &mut HashMap<u64, JoinHandle<T>>, number: u64) -> Result<T, JoinError> {
    fibers.remove(&number).expect("a fiber says once that it ends").join()
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
