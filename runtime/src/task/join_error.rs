//! Why a fiber has no result.

use crate::fiber::unwind::{CancelReason, NotStarted, Raised};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Why a fiber that was joined has no result: it panicked, was cancelled, or could not be started.
///
/// Std's `join` gives the bare panic payload; a fiber can also end by cancellation, so here the three are told apart.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let error = fiber::spawn(|| panic!("no such user")).join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.to_string(), "the fiber panicked: no such user");
///
/// // It goes where errors go.
/// let error: Box<dyn std::error::Error + Send + Sync> = error.into();
/// # drop(error);
/// # });
/// ```
pub struct JoinError(Cause);

enum Cause {
    /// Behind a lock, because a payload need not be `Sync`, and errors are expected to be: `Box<dyn Error + Send + Sync>`.
    Panicked(Mutex<Box<dyn Any + Send>>),
    Cancelled(CancelReason),
    NotStarted(String),
}

impl JoinError {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> JoinError {
        if let Some(raised) = payload.downcast_ref::<Raised>() {
            return JoinError(Cause::Cancelled(raised.reason));
        }
        match payload.downcast::<NotStarted>() {
            Ok(not_started) => JoinError(Cause::NotStarted(not_started.0)),
            Err(payload) => JoinError(Cause::Panicked(Mutex::new(payload))),
        }
    }

    /// Whether the fiber panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panicked(_))
    }

    /// Whether the fiber was cancelled: by its handle, by its scope, or because its runtime shut down.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let sleeper = fiber::spawn(|| fiber::time::sleep(std::time::Duration::MAX));
    /// sleeper.cancel();
    /// assert!(sleeper.join().unwrap_err().is_cancelled());
    /// # });
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled(_))
    }

    /// Why the fiber was cancelled; `None` if it was not.
    ///
    /// ```
    /// use fiber::CancelReason;
    /// use fiber::time::{Duration, timeout};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// fiber::scope(|s| {
    ///     let limited = timeout(Duration::from_millis(1), || s.spawn(fiber::park)).unwrap();
    ///     assert_eq!(limited.join().unwrap_err().cancel_reason(), Some(CancelReason::Deadline));
    ///     let unlimited = s.spawn(fiber::park);
    ///     s.cancel();
    ///     assert_eq!(unlimited.join().unwrap_err().cancel_reason(), Some(CancelReason::User));
    /// });
    /// # });
    /// ```
    #[must_use]
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match self.0 {
            Cause::Cancelled(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the fiber never ran because it could not be given a stack. The error's text says what to do.
    #[must_use]
    pub fn is_not_started(&self) -> bool {
        matches!(self.0, Cause::NotStarted(_))
    }

    /// The panic's payload, to be passed to [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    ///
    /// The error itself, if it is not a panic.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let error = fiber::spawn(|| panic!("gone")).join().unwrap_err();
    /// assert_eq!(error.try_into_panic().unwrap().downcast_ref(), Some(&"gone"));
    /// # });
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.0 {
            Cause::Panicked(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            _ => Err(self),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Panicked(payload) => write!(f, "the fiber panicked: {}", message(payload)),
            Cause::Cancelled(reason) => write!(f, "the fiber was cancelled: {reason}"),
            Cause::NotStarted(why) => write!(f, "the fiber could not start: {why}"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Panicked(payload) => f.debug_tuple("Panicked").field(&message(payload)).finish(),
            Cause::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
            Cause::NotStarted(why) => f.debug_tuple("NotStarted").field(why).finish(),
        }
    }
}

/// What the panic said.
fn message(payload: &Mutex<Box<dyn Any + Send>>) -> String {
    let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
    crate::fiber::message(&**payload).to_owned()
}

impl Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> std::io::Error {
        match &error.0 {
            Cause::Cancelled(CancelReason::Deadline) => crate::time::Elapsed.into(),
            Cause::Cancelled(_) => std::io::Error::other(crate::Cancelled),
            _ => std::io::Error::other(error),
        }
    }
}
