//! Sleeping in async code.
#![deny(unsafe_code)]

use crate::sched::clock;
use crate::sched::lookout::{Lookout, Sight};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A future that completes when a time has come, made by [`sleep`] or [`sleep_until`]. Can be polled anywhere; dropping it ends it.
#[must_use = "a future does nothing until it is polled"]
pub struct Sleep {
    /// `None` is never.
    deadline: Option<Instant>,
    lookout: Option<Lookout>,
}

/// Completes when `duration` has passed from now, not from the first poll: [`time::sleep`](crate::time::sleep) for async code.
///
/// Works on fibers, on threads and under other executors; see [the module](super) for who keeps the time.
///
/// # Panics
///
/// When it is polled off a fiber, if the system refuses a thread for the first such wait of the process.
///
/// ```
/// use fiber::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// fiber::block_on(fiber::future::sleep(Duration::from_millis(5)));
/// assert!(begin.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { deadline: Instant::now().checked_add(duration), lookout: None }
}

/// Completes when `deadline` has come; one in the past completes at the first poll. As [`sleep`].
///
/// ```
/// use fiber::time::Instant;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// fiber::block_on(fiber::future::sleep_until(Instant::now()));
/// # });
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline: Some(deadline), lookout: None }
}

impl Sleep {
    /// When it completes; `None` if that is further away than an [`Instant`] can say.
    ///
    /// ```
    /// use fiber::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// assert_eq!(fiber::future::sleep_until(soon).deadline(), Some(soon));
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Sets another time, also when it has completed. Whoever polled it is not woken by this, and polls it again.
    ///
    /// ```
    /// use fiber::future::sleep;
    /// use fiber::time::{Duration, Instant};
    ///
    /// let mut pause = sleep(Duration::from_secs(3600));
    /// pause.reset(Instant::now());
    /// fiber::block_on(pause);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        self.lookout = None;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let reading = match self.deadline {
                Some(deadline) if deadline <= Instant::now() => {
                    self.lookout = None;
                    return Poll::Ready(());
                }
                Some(deadline) => clock::at(deadline),
                None => return Poll::Pending,
            };
            match &self.lookout {
                None => {
                    let begun = Lookout::begin(Sight::Time(reading), context.waker().clone());
                    self.lookout = Some(begun.expect("a thread that waits for futures off the fibers"));
                    return Poll::Pending;
                }
                Some(lookout) => {
                    // Ended: the time has come, or the runtime whose worker kept it has gone.
                    ready!(lookout.poll(context));
                    self.lookout = None;
                }
            }
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
