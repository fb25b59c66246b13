//! Started fibers that change their worker: the queues from which others take them, and what a worker does with those that come and go.
//!
//! With the feature `migrate`, for fibers whose spawner vouched for it; [`roam`](crate::fiber::roam) has the protocol by which one fiber is
//! woken, queued and taken, exactly once.
//!
//! | queue | holds | written by | read by |
//! | --- | --- | --- | --- |
//! | roaming, of a worker | migratable fibers that can go on | its worker | its worker and thieves, oldest first |
//! | outside, of a node | the same, woken by threads | anybody | any worker, that node's first |
//! | bound, of a node | the same, for this node | anybody | workers of that node |
//!
//! # When a fiber may leave
//!
//! Whenever it is suspended with nothing of it registered with its worker ([`Ties`](crate::fiber::roam::Ties)). A timer, an operation in
//! flight, a thread's answer tie it, from when they are begun until they are over, which may be before the fiber goes on: when the worker has
//! seen the completion, the fiber is free again, and is queued where thieves find it. A wait with a time limit that ends before the limit has
//! the timer set still: then the fiber goes on where it is, once, and takes the timer back itself. (For the waker's worker to take it back
//! would need a message, and an answer before the fiber's frame may go.) A coroutine, an operation that outlasts its call, and a child from
//! `spawn_local` tie a fiber for good: each leaves something with it that is good on one thread only.
//!
//! # What the fiber keeps
//!
//! Its slot, in the slab of the worker that started it, until its end: frames on its stack, timers and operations have the slot's address.
//! Slabs are never unmapped, so a slot is as good from afar; whoever ends the fiber leaves it with the worker that it is from. Its stack goes
//! back to the pool of the node that it is from. What a worker does to all fibers of its slab it does to those only that stay; the others
//! are enrolled in a list, behind a lock that is taken when one starts and ends.
//!
//! # No needless moves
//!
//! A fiber that is the only one its worker could run is not offered: it would be taken by whoever is awake, and taken back. So one that yields
//! in a loop stays where it is, and lets the other workers sleep.
//!
//! Rejected: looking for addresses of thread-locals on the stack of a fiber that leaves, to find out whose promise is broken (frames of
//! unoptimised code are full of what earlier calls left there: it found them everywhere); one queue for fibers that stay and that move (each yield of one that stays would pay for atomics); the stealable queue
//! of fresh fibers for both (last in, first out by its worker: a fiber that yields would be next, for ever); the injector of the node for all
//! (the processors would share its cache lines at each yield).

#[cfg(not(feature = "migrate"))]
mod off;
#[cfg(feature = "migrate")]
mod on;

#[cfg(not(feature = "migrate"))]
pub(crate) use off::{Abroad, Roads, Roaming, wake};
#[cfg(feature = "migrate")]
pub(crate) use on::{Abroad, Roads, Roaming, wake};
