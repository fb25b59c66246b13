//! Which fiber goes first: priorities as deadlines.
//!
//! A fiber that becomes ready, or is spawned, is *due* a while later: its priority's [`allowance`] after that moment. Of all that a
//! worker could run, it runs what is due first. So an urgent fiber goes ahead of those that have not waited for long, and none waits
//! for ever: once a fiber is overdue, whatever becomes ready from then on is due later than it. React's scheduler is the model
//! (`packages/scheduler`, the `expirationTime` of a task); theory calls it earliest deadline first (C. Liu, J. Layland, "Scheduling
//! Algorithms for Multiprogramming in a Hard-Real-Time Environment", JACM 20(1), 1973).
//!
//! Since the allowance of a priority is constant, those of one priority are due in the order they came, and a queue for each is
//! sorted already. Only the heads of the queues are compared:
//!
//! | queue | priority | due |
//! | --- | --- | --- |
//! | the ready queue | normal | by its [`Dates`] |
//! | a line of the worker's own ([`Lines`]) for each | the others: started fibers, and fresh ones for this worker alone | each has its moment |
//! | an injector's line for each (`injector`) | all: fresh ones that the node's workers may take | each has its moment |
//! | the worker's fresh queues, newest first | normal | those that were there an allowance ago are overdue; the others were spawned just now, as it were |
//!
//! **What it costs where all are normal:** a test of one counter for each fiber that is resumed, a test of two bits of a word that is at
//! hand anyway for each that becomes ready, and a few instructions a turn. The counter ([`Lines::is_mixed`]) is of fibers of other
//! priorities that this worker has to think of; while it is zero, nothing is compared.
//!
//! Times are those of the worker's clock, which it reads once a turn.
//!
//! **The bound.** Let a fiber of a priority with the allowance A become ready on a worker on which k others are ready or wait to be started,
//! its node's injectors included. It is resumed at the latest when A has passed, in turns of which each ends as turns do, and
//! then those were that are due before it: at most the k, and those that came meanwhile with a smaller allowance, once each. No
//! later one comes before it, whatever its priority, but for the continuations of [`MOST_CONTINUATIONS`]. Fresh fibers of the normal
//! priority are found to be overdue after at most two allowances.
//!
//! Rejected: a heap over all that is ready (a yield would cost a logarithm and a clock); queues by strict priority with aging (as if
//! deadlines, with more constants); a date for each fiber in the ready queue (a store for each yield, for the sake of programs that use
//! priorities).

mod dates;
mod lines;
#[cfg(all(test, not(loom)))]
mod tests;

pub(super) use dates::Dates;
pub(super) use lines::{Entry, Lines, Running};

use crate::Priority;
use std::time::Duration;

/// Due at once: ahead of everything that is not overdue.
pub(crate) const HIGH: Duration = Duration::ZERO;
/// Two of the default time slices: urgent fibers delay a normal one no longer than two others would that compute.
pub(crate) const NORMAL: Duration = Duration::from_millis(10);
/// Below it, people take a reaction for immediate (J. Nielsen, "Usability Engineering", 1993, section 5.5).
pub(crate) const LOW: Duration = Duration::from_millis(100);
/// Up to it, people's flow of thought is not interrupted (the same).
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// All of them, the most urgent first, which is the order of those that are due at the same time.
pub(super) const ALL: [Priority; 4] = [Priority::High, Priority::Normal, Priority::Low, Priority::Idle];

/// Time slices that a fiber may use one after the other while nothing is due before it, although others of its priority wait. With the
/// default slice they come to 25 ms, what is reported as holding the worker.
pub(super) const MOST_CONTINUATIONS: u32 = 4;

/// How long after it became ready a fiber of this priority is due, in nanoseconds.
pub(super) const fn allowance(priority: Priority) -> u64 {
    let allowance = match priority {
        Priority::High => HIGH,
        Priority::Normal => NORMAL,
        Priority::Low => LOW,
        Priority::Idle => IDLE,
    };
    allowance.as_nanos() as u64
}

/// When a fiber of this priority is due that became ready `at`.
#[inline]
pub(super) fn due(priority: Priority, at: u64) -> u64 {
    at.saturating_add(allowance(priority))
}
