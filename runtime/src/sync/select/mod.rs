//! The first of several things to happen: `select!`, and the same as functions.
//!
//! What may happen is an [`Event`]: a message that comes, room for a message that is to be sent, a fiber's end, a notification, a
//! changed value, a moment, or whatever a [`Selectable`] of your own makes of these or of a [poll](poll_fn). [`select!`](crate::select!)
//! waits for those that stand in its arms, [`Select`] for as many as there are at run time.
//!
//! # What holds
//!
//! - **Exactly one happens.** The others leave no trace: no message is taken, none is sent, no notification is used up.
//! - **Fair.** If several can happen, each is as likely as every other, unless you ask for `biased`, which prefers the first. While none
//!   can happen it stands in the line of each, as a plain `recv` or `send` does, and whoever comes first serves it.
//! - **From fibers and threads**, also across runtimes: a fiber suspends, a thread parks.
//! - **Cancellation.** A cancellation point that cannot return an error: a cancelled fiber unwinds from the wait, and nothing has
//!   happened. If something can happen at once, it does.
//! - **Cost.** Nothing is allocated by the macro, unless an arm polls, or waits for a descriptor. An arm of a descriptor that loses after a
//!   wait costs another turn of the worker: what the kernel was asked is taken back.
//!
//! # Examples
//!
//! ```
//! use fiber::select;
//! use fiber::sync::mpsc::channel;
//! use fiber::time::{Duration, after};
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| {
//! let (apples, apple) = channel();
//! let (pears, pear) = channel();
//! fiber::spawn(move || apples.send("apple"));
//! fiber::spawn(move || pears.send("pear"));
//! let mut basket = Vec::new();
//! while basket.len() < 2 {
//!     select! {
//!         fruit = apple.recv(), if !basket.contains(&"apple") => basket.push(fruit.unwrap()),
//!         fruit = pear.recv(), if !basket.contains(&"pear") => basket.push(fruit.unwrap()),
//!         () = after(Duration::from_secs(60)) => panic!("nothing grows"),
//!     }
//! }
//! # });
//! ```

mod builder;
#[cfg(all(test, loom))]
mod loom_models;
mod poll;
mod selectable;

pub use crate::sched::select::Event;
pub use builder::Select;
pub use poll::{Polled, future, poll_fn};
pub use selectable::Selectable;

/// What an expanded `select!` calls. Not public: it changes with `fiber-macros`.
#[doc(hidden)]
pub mod v1 {
    pub use crate::sched::select::{Arm, Event};
    pub use fiber_macros::select as expand;

    use super::Selectable;
    use crate::sched::select::{Patience, first_of};

    /// What an arm waits for.
    pub fn event<S: Selectable>(source: S) -> impl Event<Output = S::Output> {
        source.into_event()
    }

    /// Waits until one of the arms has happened; `false` if none has, which is so only if it is not to wait.
    pub fn first(arms: &mut [&mut dyn Arm], biased: bool, wait: bool) -> bool {
        first_of(arms, biased, if wait { Patience::Endless } else { Patience::None })
    }

    /// A wait without a limit ended, and no arm says that it has happened.
    pub fn none_has_happened() -> ! {
        unreachable!("a wait without a limit ends when something has happened")
    }
}

/// Waits until one of several things happens, and runs the arm of that one.
///
/// ```text
/// select! {
///     [biased;]
///     pattern = event [, if condition] => body,
///     ...
///     [default => body]
/// }
/// ```
///
/// It is an expression: its value is that of the body that ran. `break`, `return` and `?` in a body are those of the function around it.
///
/// # Events
///
/// An event is one of these calls, which then does not wait by itself but stands for what it would wait for:
///
/// | call | of |
/// | --- | --- |
/// | `receiver.recv()` | the receivers of `mpsc`, `mpmc`, `oneshot`, `broadcast`; `signal::Signals` |
/// | `sender.send(message)` | the senders of `mpsc` and `mpmc` |
/// | `handle.join()` | `JoinHandle`, `LocalJoinHandle`, `ScopedJoinHandle` |
/// | `notify.notified()` | `Notify` |
/// | `semaphore.acquire()`, `acquire_many(n)`, `acquire_owned()`, `acquire_many_owned(n)` | `Semaphore` |
/// | `receiver.changed()` | the receiver of `watch` |
/// | `sender.closed()` | the senders of `oneshot` and `watch` |
/// | `token.cancelled()` | `CancelToken` |
/// | `set.join_next()` | `JoinSet` |
/// | `child.wait()` | `process::Child` |
/// | `socket.readable()`, `socket.writable()` | the sockets of [`net`](crate::net); of other descriptors [`io::readable_event`](crate::io::readable_event) |
///
/// or any other expression whose value is [`Selectable`]: [`after(duration)`](crate::time::after),
/// `&mut event` for one that is to outlive the `select!`, a type of your own.
///
/// (`receiver.recv()` becomes `receiver.recv_event()`, and so on: with methods of these names, types of your own read the same.)
///
/// # Order of things
///
/// Conditions and events are evaluated once, in the order in which they are written, the message of a `send` included. An arm whose
/// condition is false is left out, its event is not evaluated. When one has happened, all events are dropped, and then its body runs:
/// it may use again what the events borrowed. A pattern has to match whatever the event gives.
///
/// If several can happen at once, one of them is taken by chance. With `biased;` it is the first that can: for an arm that must not be
/// kept waiting, such as one that stops a loop; busy arms above can then starve those below.
///
/// With a `default` arm it does not wait: if nothing can happen at once, that body runs. If no condition holds, and there is no `default`,
/// it waits for ever.
///
/// # Examples
///
/// ```
/// use fiber::select;
/// use fiber::sync::mpmc::sync_channel;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (sender, receiver) = sync_channel(1);
/// let (mut sent, mut received) = (0, 0);
/// // Fills and empties a channel in any order.
/// while received < 10 {
///     select! {
///         result = sender.send(sent), if sent < 10 => {
///             result.unwrap();
///             sent += 1;
///         }
///         message = receiver.recv() => {
///             assert_eq!(message, Ok(received));
///             received += 1;
///         }
///     }
/// }
/// let full = select! {
///     _ = receiver.recv() => false,
///     default => true,
/// };
/// assert!(full, "there is nothing to receive");
/// # });
/// ```
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {
        $crate::select::v1::expand! { ($crate) $($arms)* }
    };
}
