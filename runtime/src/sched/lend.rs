//! Lending a priority to the owner of a lock, so that a fiber of middling priority does not, by keeping the owner from its worker, hold up
//! an urgent one that waits for the lock.
//!
//! A lock notes who has it ([`Owner`]), by the fiber's slot: one store, since nothing else knows it when somebody comes who has to wait.
//! Whoever waits, and is more urgent, lends the owner its priority for as long as the wait lasts ([`Lent`]), and takes it back when it
//! goes on, which the unlock makes it do, or gives up. Loans are counted by the owner's worker, who alone touches the owner: a message
//! to it, unless it is the lender's own.
//!
//! The owner's slot is a hint. It may be that of the owner before, for a moment; of a fiber that gave its guard to another one; of one
//! that forgot the guard and ended. A slot is never unmapped, a loan names the fiber by its identifier as well, and every loan is taken
//! back from whom it was given to: so a mistake makes a fiber more urgent for a while, and no more than that. A loan to somebody who has
//! ended is void, and so is its return, and one to a fiber that may change its worker, where nobody knows whom to ask.
//!
//! One level: what the owner itself waits for learns nothing of it. (L. Sha, R. Rajkumar, J. Lehoczky, "Priority Inheritance Protocols",
//! IEEE Transactions on Computers 39(9), 1990, pass it on. Here everybody is due some day anyway.)
//!
//! Rejected: noting the owner only where somebody waits (the owner came when nobody did, and does not know how it locked); taking the loan
//! back in the unlock (it may come before the message that brings the loan, and would have to know to whom it was given).

use super::current::Current;
use super::delayed::Request;
use super::home::Home;
use super::worker::Worker;
use crate::Priority;
use crate::fiber::slot::{Phase, Slot};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::Relaxed;

/// Who has a lock exclusively: a fiber, as far as it is known.
pub(crate) struct Owner(AtomicPtr<Slot>);

impl Owner {
    pub(crate) const fn nobody() -> Owner {
        Owner(AtomicPtr::new(ptr::null_mut()))
    }

    /// The caller has locked it.
    #[inline]
    pub(crate) fn set(&self) {
        let slot = Worker::current().map_or(ptr::null(), |worker| worker.current.get());
        self.0.store(slot.cast_mut(), Relaxed);
    }

    /// The running fiber is about to wait for the owner, and lends it its priority, if that is higher.
    #[cold]
    pub(crate) fn lend(&self) -> Option<Lent> {
        let current = Current::get()?;
        let slot = NonNull::new(self.0.load(Relaxed))?;
        let priority = current.slot.priority();
        // SAFETY: slots are never unmapped, and other threads may read their atomics, of which the priority is one.
        if ptr::eq(slot.as_ptr(), current.slot) || unsafe { slot.as_ref() }.priority() >= priority {
            return None;
        }
        let homes = &current.scheduler().homes;
        let (home, id) = homes.iter().find_map(|home| Some((*home, home.slots.observe_one(slot.as_ptr())?.id)))?;
        let loan = Loan { slot, id, priority };
        loan.change(home, 1);
        Some(Lent { loan, home })
    }
}

/// A priority that is lent to a fiber until this is dropped.
#[must_use = "dropped, it is taken back"]
pub(crate) struct Lent {
    loan: Loan,
    home: &'static Home,
}

/// Which priority is lent, and to whom.
#[derive(Clone, Copy)]
pub(super) struct Loan {
    slot: NonNull<Slot>,
    id: u64,
    priority: Priority,
}

// SAFETY: others than the worker of the slot only carry it.
unsafe impl Send for Loan {}

impl Loan {
    fn change(self, home: &'static Home, by: i32) {
        match Worker::current() {
            Some(worker) if ptr::eq(worker.home(), home) => worker.change_loan(self, by),
            _ => home.ask(Request::Lend { loan: self, by }),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.loan.change(self.home, -1);
    }
}

impl Worker {
    /// Counts a loan to a fiber of this worker, or its return.
    pub(super) fn change_loan(&self, Loan { slot, id, priority }: Loan, by: i32) {
        // SAFETY: slots are never unmapped, and this one is of this worker's slab.
        let slot = unsafe { slot.as_ref() };
        if slot.roams() {
            // Its fiber, if it still has one, may be on another worker, who alone touches it then.
            return;
        }
        let Some(header) = slot.try_header().filter(|header| header.id == id) else {
            return;
        };
        let mut loans = header.own.loans.get();
        loans[priority as usize] += by;
        header.own.loans.set(loans);
        let lent = [Priority::High, Priority::Normal, Priority::Low];
        let lent = lent.into_iter().find(|&lent| loans[lent as usize] > 0).unwrap_or(Priority::Idle);
        let (before, now) = (slot.priority(), header.identity.priority().max(lent));
        // One that is ready, and less urgent from now on, has its turn where it is.
        let is_moved = now > before && slot.phase() == Phase::Ready && self.dequeue(slot);
        slot.set_priority(now);
        if is_moved {
            self.enqueue(slot);
        }
    }

    /// Takes a fiber out of the queue of its priority; `false` if it is not there. Looks at all that are.
    fn dequeue(&self, slot: &Slot) -> bool {
        match slot.priority() {
            Priority::Normal => self.ready.remove(slot),
            priority => self.lines.remove(priority, slot),
        }
    }
}
