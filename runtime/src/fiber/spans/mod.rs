//! A fiber's `tracing` spans, which subscribers keep by thread.
//!
//! A subscriber knows which spans a *thread* is in. So before a fiber suspends, it leaves the spans that it is in, the innermost
//! first, and when it goes on it enters them again: the other fibers of the worker start from none, as if they had a thread of
//! their own. To a subscriber it looks as a future does that is polled within its span. A fiber that is spawned starts in the span that
//! its spawner was in.
//!
//! The subscriber is asked for the current span until there is none, rather than wrapped: so this works with every subscriber that
//! knows its current span (`tracing-subscriber`'s registry, and what is layered on it), without anything to set up. Before a
//! subscriber is there, a suspension costs one load.
//!
//! # Subscribers that suspend
//!
//! Leaving and entering call the subscriber, on the fiber, and a layer may lock one of our locks. Suspending in there is a
//! suspension within a suspension: the inner one does not touch spans, and takes the outer one's wake with it. So after it the outer one
//! does not suspend: its caller looks at its condition again, as after any wake. Waits are right then; spans are not, since the fibers that
//! run meanwhile find those of a fiber that is half in and half out. A subscriber that wants its spans right does not wait in `enter` and
//! `exit`.
//!
//! Rejected: a subscriber of our own around the user's (it has to be set up, and must forward what only its insides know); a stack
//! of spans for each fiber instead of each thread in a registry of our own (layers are written for the registry that there is).

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Inherited, Spans, carried};
#[cfg(feature = "tracing")]
pub(crate) use on::{Inherited, Spans, carried};
