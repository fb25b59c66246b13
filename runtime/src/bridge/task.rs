//! A future that Tokio runs and fibers wait for.
#![deny(unsafe_code)]

use crate::task::block_on;
use std::future::IntoFuture;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

/// A future that runs on Tokio's threads, made by [`Tokio::spawn`](super::Tokio::spawn). Waited for on fibers and threads, or awaited.
///
/// Dropping it lets the future run on.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Task<T> {
        Task(handle)
    }

    /// Waits for the future to complete and returns what it gave. Suspends the calling fiber; blocks the thread, if the caller is none.
    ///
    /// A cancellation point that cannot return an error: if the caller is cancelled, or a time limit of it passes, it unwinds, and the future
    /// is cancelled too.
    ///
    /// # Errors
    ///
    /// Tokio's error, if the future panicked or was cancelled.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let tokio = fiber::bridge::Tokio::shared();
    /// let error = tokio.spawn(async { panic!("no route") }).join().unwrap_err();
    /// assert_eq!(error.into_panic().downcast_ref(), Some(&"no route"));
    /// # });
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        /// Does no harm to a task that has ended.
        struct Abort(AbortHandle);
        impl Drop for Abort {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let _abort = Abort(self.0.abort_handle());
        block_on(self.0)
    }

    /// Drops the future where it next waits; one that has completed is left as it is. Does not wait.
    ///
    /// ```
    /// let tokio = fiber::bridge::Tokio::shared();
    /// let task = tokio.spawn(std::future::pending::<()>());
    /// task.cancel();
    /// assert!(task.join().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.0.abort();
    }

    /// Whether the future has completed, was cancelled or panicked; if so, [`join`](Self::join) returns at once.
    ///
    /// ```
    /// let task = fiber::bridge::Tokio::shared().spawn(std::future::pending::<()>());
    /// assert!(!task.is_finished());
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JoinHandle<T>;

    fn into_future(self) -> JoinHandle<T> {
        self.0
    }
}
