//! What can stand in an arm.

use super::Event;

/// What `select!` can wait for: an [`Event`], or a type of your own that knows how to make one.
///
/// A type of your own makes an event of those there are, with something [made](Event::map) of what they give; or, if it has to be
/// asked again and again, of a [function that polls](crate::select::poll_fn).
///
/// ```
/// use fiber::select::{self, Event, Selectable};
/// use fiber::sync::mpsc::{Receiver, channel};
///
/// struct Inbox(Receiver<String>);
///
/// /// The next line, or none if the inbox was closed.
/// impl Selectable for &Inbox {
///     type Output = Option<String>;
///
///     fn into_event(self) -> impl Event<Output = Option<String>> {
///         self.0.recv_event().map(|line| line.ok())
///     }
/// }
///
/// let (sender, receiver) = channel();
/// let inbox = Inbox(receiver);
/// sender.send("hello".to_owned()).unwrap();
/// let line = fiber::select! {
///     line = &inbox => line,
///     default => None,
/// };
/// assert_eq!(line.as_deref(), Some("hello"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`select!` cannot wait for `{Self}`",
    label = "not an event",
    note = "an event is a call of `recv`, `send`, `join`, `join_next`, `notified`, `changed`, `closed`, `cancelled`, `acquire`, `wait`, `readable` or `writable`, or a value like `after(duration)`; instead of `read` and `accept` wait for `readable`",
    note = "a type of your own becomes one by implementing `fiber::select::Selectable`"
)]
pub trait Selectable: Sized {
    /// What it gives when it happens.
    type Output;

    /// The event. Called once for each `select!`; does not wait, and makes nothing happen.
    fn into_event(self) -> impl Event<Output = Self::Output>;
}

/// Itself.
#[diagnostic::do_not_recommend]
impl<E: Event> Selectable for E {
    type Output = E::Output;

    fn into_event(self) -> impl Event<Output = E::Output> {
        self
    }
}
