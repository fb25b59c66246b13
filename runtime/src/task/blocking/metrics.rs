//! What can be seen of a pool.
#![deny(unsafe_code)]

/// The state of a runtime's blocking pool at some moment; see [`blocking`](crate::blocking).
///
/// ```
/// use fiber::runtime::Handle;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// fiber::blocking(|| ());
/// let metrics = Handle::try_current().unwrap().blocking_metrics();
/// assert_eq!((metrics.threads, metrics.queued), (1, 0));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingMetrics {
    /// Threads that there are.
    pub threads: usize,
    /// Those of them that have nothing to do.
    pub idle: usize,
    /// Calls that wait for a thread.
    pub queued: usize,
    /// The most threads that there were at once.
    pub peak: usize,
}
