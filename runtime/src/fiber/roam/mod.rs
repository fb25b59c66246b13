//! Started fibers that may change their worker: what a single one of them carries.
//!
//! With the feature `migrate`, for fibers whose spawner vouched for it. All others, and all without the feature, stay with the worker that
//! started them; for them this is nothing, at no cost.
//!
//! Two things: the course says where the fiber is, and settles who may queue it; the [`Ties`] count what of it is registered with its
//! worker (a timer, an operation in flight), so that it cannot leave.
//!
//! # The course
//!
//! A fiber that stays has a home, and whoever wakes it posts it there. For one that moves, that would be a race with the move. So its wakes
//! go through one word, by compare-and-swap, and whoever turns it from waiting to queued has the right and the duty to queue the fiber:
//!
//! ```text
//!           start                       suspends, may leave
//!   FRESH ────────► RUNNING ───────────────────────────────────► ADRIFT ──┐
//!                   ▲  │  │     suspends, registered with its worker      │ wake: the waker queues it
//!                   │  │  └──────────────────────────────────► ANCHORED ──┤ wake: it is posted to that worker
//!                   │  │ wake                                             │
//!                   │  └────► NOTIFIED ──── suspends ──────────► QUEUED ◄─┘
//!                   └───────────────── a worker takes it ──────────┘
//! ```
//!
//! A wake that finds the fiber queued has nothing to do but to be seen: it is a read-modify-write all the same, so that the worker which
//! takes the fiber sees what the waker wrote before. One that finds it running leaves a note, and the fiber, when it is about to be left
//! suspended, is queued instead. Nobody reads anything else of a fiber before that word has said that it is his: no pointer to a worker, no
//! inbox that has to forward. (The state machine is that of Tokio's tasks and of Go's goroutines, with the worker's address as a state.)
//!
//! Rejected: the inbox of the fiber's worker for every wake, to be forwarded when the fiber has left: a wake that was posted to a worker just
//! before it was held, by another fiber, would wait there for as long, and so would every later wake of the fiber, because a record is in at
//! most one inbox; a new slot at each move: the context would be copied, and everything that has the slot's address found.

#[cfg(any(feature = "migrate", all(test, loom)))]
mod course;
#[cfg(not(feature = "migrate"))]
mod off;
#[cfg(feature = "migrate")]
mod on;

#[cfg(feature = "migrate")]
pub(crate) use course::Woken;
#[cfg(not(feature = "migrate"))]
pub(crate) use off::{Roam, Ties};
#[cfg(feature = "migrate")]
pub(crate) use on::{Mark, Roam, Ties};
