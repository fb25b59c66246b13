//! Waiting for a descriptor of any kind to be ready.

use crate::fiber::Reason;
use crate::sched::io::{on_fiber, poll};
use crate::sched::select::{Event, Readiness, poll_on_thread};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Waits until a read from the descriptor would not wait: there is something, or the end, or an error.
///
/// For descriptors of other libraries, of which the mode is non-blocking: they are asked again after this. Sockets of this crate have methods of
/// the same name. Whoever reads after the wait may find that another fiber, thread or process was quicker.
///
/// Suspends the fiber. On an ordinary thread it blocks the thread (poll(2)).
///
/// # Errors
///
/// What the system reports; that of a cancellation or of a time limit around the call.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// // A pipe of std's, which knows nothing of fibers.
/// let (mut reader, mut writer) = std::io::pipe()?;
/// fiber::spawn(move || writer.write_all(b"now"));
/// fiber::io::readable(&reader)?;
/// let mut buf = [0; 3];
/// assert_eq!(reader.read(&mut buf)?, 3, "without a wait");
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn readable<T: AsFd + ?Sized>(fd: &T) -> io::Result<()> {
    wait(fd.as_fd(), libc::POLLIN)
}

/// Waits until a write to the descriptor would not wait: there is room, or nobody who would read. As [`readable`].
///
/// How much room there is, is not said: a write of more than fits waits, unless the descriptor's mode is non-blocking.
///
/// # Errors
///
/// As [`readable`].
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (_reader, writer) = std::io::pipe()?;
/// fiber::io::writable(&writer)?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn writable<T: AsFd + ?Sized>(fd: &T) -> io::Result<()> {
    wait(fd.as_fd(), libc::POLLOUT)
}

/// What [`readable`] waits for, as an event for [`select!`](crate::select!).
///
/// It takes nothing: when it has happened, the read is still to be made. Selected on an ordinary thread, it is looked at every 1 to 32 milliseconds.
///
/// # Examples
///
/// ```
/// use fiber::time::{Duration, after};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (reader, writer) = std::io::pipe()?;
/// let silent = fiber::select! {
///     ready = fiber::io::readable_event(&reader) => ready.is_err(),
///     () = after(Duration::from_millis(2)) => true,
/// };
/// assert!(silent);
/// # drop(writer);
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn readable_event<T: AsFd + ?Sized>(fd: &T) -> impl Event<Output = io::Result<()>> {
    Readiness::new(fd.as_fd(), libc::POLLIN)
}

/// What [`writable`] waits for, as an event for [`select!`](crate::select!). As [`readable_event`].
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (_reader, writer) = std::io::pipe()?;
/// fiber::select! {
///     ready = fiber::io::writable_event(&writer) => ready?,
///     default => unreachable!("a new pipe has room"),
/// }
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn writable_event<T: AsFd + ?Sized>(fd: &T) -> impl Event<Output = io::Result<()>> {
    Readiness::new(fd.as_fd(), libc::POLLOUT)
}

fn wait(fd: BorrowedFd<'_>, events: i16) -> io::Result<()> {
    if on_fiber() { poll(fd, events, Reason::Ready, None) } else { poll_on_thread(fd, events, -1).map(drop) }
}
