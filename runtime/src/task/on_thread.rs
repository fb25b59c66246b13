//! Values that belong to a thread, watched where fibers leave theirs.
#![deny(unsafe_code)]

use crate::sched::Current;
use std::fmt;
use std::marker::PhantomData;

/// A mark for values that belong to the thread on which they were made, to be kept in them: a guard of a foreign library, a handle that is
/// good on one thread. With the feature `migrate`.
///
/// In builds with debug assertions, a [migratable](crate::Builder::migratable) fiber that is suspended while such a mark of its is alive, and
/// that nothing else keeps on its thread, ends the process with a message that names the fiber, the mark, and where that was made: its
/// promise is broken, whether or not it would have moved this time. Other fibers and threads, and builds without debug assertions, pay nothing
/// and are told nothing.
///
/// ```
/// struct Connection {
///     // The library's handle, good on one thread, and:
///     _on_thread: fiber::OnThread,
/// }
///
/// let connection = Connection { _on_thread: fiber::OnThread::new("a connection of the library") };
/// # drop(connection);
/// ```
///
/// It is not `Send`, and what has it is not:
///
/// ```compile_fail
/// let mark = fiber::OnThread::new("mine");
/// std::thread::spawn(move || drop(mark));
/// ```
#[must_use = "it is a mark of a value for as long as it is kept"]
pub struct OnThread {
    is_noted: bool,
    stays: PhantomData<*mut ()>,
}

impl OnThread {
    /// A mark of what is described.
    #[track_caller]
    pub fn new(what: &'static str) -> OnThread {
        let current = Current::get().filter(|current| cfg!(debug_assertions) && current.header().roam.is_migratable());
        if let Some(current) = current {
            current.header().own.ties.note(what, std::panic::Location::caller());
        }
        OnThread { is_noted: current.is_some(), stays: PhantomData }
    }
}

impl Drop for OnThread {
    fn drop(&mut self) {
        // On the fiber that made it, or on another of the same thread, to which it was lent: then the first remains marked, which is no
        // place for it to be.
        if self.is_noted
            && let Some(current) = Current::get()
        {
            current.header().own.ties.forget();
        }
    }
}

impl fmt::Debug for OnThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnThread").finish_non_exhaustive()
    }
}
