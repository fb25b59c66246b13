//! Workers: threads that run fibers, and everything that decides which fiber runs where and when.
//!
//! Owns the run queues, the timers, one driver per worker, and the protocols by which workers sleep and are woken. Calls
//! `driver`, `fiber` and `sys`; knows nothing of sockets, locks or results.
//!
//! A worker's turn ([`worker`]): ready fibers up to a budget ► fresh fibers up to a budget ► the driver, in at most one system
//! call ► the clock and due timers ► the inbox ► if nothing is runnable: the injectors, other workers' queues in rings outward
//! ([`rings`]), a short spin, sleep ([`park`]). No source can starve another for more than one budget (the bound is stated in [`worker`]); a fiber whose operations all
//! complete inline yields after a number of them ([`current`]), one that computes at its next checkpoint after its time slice
//! ([`slice`](mod@slice)), which the [`monitor`] watches over from a thread of its own.
//!
//! Code that is polled cannot suspend; who waits on its behalf, on a worker and elsewhere, is in [`lookout`]. Operations that outlast the
//! call that began them are in [`lasting`].
//!
//! A fiber that has started stays, so a worker that is about to start one which will stay for long may give it to another that has
//! less to do ([`load`], `worker::placement`).
//!
//! | queue | holds | written by | read by |
//! | --- | --- | --- | --- |
//! | ready | started fibers that can go on, of the normal priority | its worker | its worker |
//! | lines | those of the other priorities, and fresh ones from `spawn_local` | its worker | its worker |
//! | [`fresh`] | spawned fibers without a stack | its worker | its worker (newest first), thieves (oldest first) |
//! | fresh, bound | the same, for this node | its worker | its worker, thieves of its node |
//! | fresh, local | the same, from `spawn_local` | its worker | its worker |
//! | injector of a node | the same, spawned by threads, or not of the normal priority | anybody | any worker, that node's first |
//! | bound injector of a node | the same, for this node | anybody | workers of that node |
//! | inbox | started fibers to look at, and fresh ones for this worker: spawned for it alone, or given to it | anybody | its worker |
//!
//! With the feature `migrate` there are queues of started fibers that others may take: [`roaming`].
//!
//! Of what is in them, a worker runs first what is due first ([`priority`]).
//!
//! Rejected: one ready queue that thieves may take from (every yield would pay for atomics, and moving a started fiber is
//! unsound where nobody vouches for it); waking a worker for every spawn (a burst would wake all of them to fight over one queue); completions and
//! deadlines that act on a fiber from outside (they only wake it; it acts on its own stack, see [`cancel`]).

pub(crate) mod cancel;
mod choice;
pub(crate) mod clock;
mod current;
mod delayed;
mod fresh;
mod home;
pub(crate) mod idle;
mod inbox;
mod injector;
pub(crate) mod io;
pub(crate) mod lasting;
mod lend;
mod load;
pub(crate) mod lookout;
pub(crate) mod monitor;
pub(crate) mod nodes;
mod pace;
mod park;
mod points;
mod priority;
mod progress;
mod ready;
pub(crate) mod registration;
pub(crate) mod rings;
pub(crate) mod roaming;
pub(crate) mod scheduler;
pub(crate) mod select;
pub(crate) mod slice;
pub(crate) mod timer;
mod timers;
mod wait_list;
mod wait_queue;
mod wake;
pub(crate) mod worker;

pub(crate) use current::{Current, begin_hold, charge_hold, is_panicking, no_suspend_for};
pub(crate) use lend::{Lent, Owner};
#[cfg(feature = "internals")]
pub(crate) use points::{Blow, Kind, arm, under_way};
pub(crate) use progress::Progress;
pub(crate) use scheduler::{Scheduler, Settings};
pub(crate) use wait_list::{Ask, GaveUp, WaitList, Woken};
pub(crate) use wait_queue::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, awaited, in_line, wait_in};
