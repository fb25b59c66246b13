//! Waking whoever waits: the one way into a ready queue.
//!
//! A wake is a hint. It says "look at your condition again", never "your condition holds": every wait loops on a condition of its
//! own. So a wake that comes late, twice, or for a wait that is over costs a look and does no harm.

use super::delayed::Request;
use super::home::Home;
use super::roaming;
use super::worker::Worker;
use crate::fiber::record::{FiberRef, Header, Waiter, drop_quietly};
use crate::fiber::summons::NOWHERE;
use crate::sys::sync::thread;
use crate::sys::threads;
use std::ptr;
use std::task::Waker;

impl Waiter {
    /// The running fiber, or the thread if there is none.
    pub(crate) fn current() -> Waiter {
        match super::Current::get() {
            Some(current) => Waiter::Fiber(current.fiber()),
            None => Waiter::thread(false),
        }
    }

    /// The calling thread, which is no fiber. If `counted`, it calls `threads::blocked` once it can be woken.
    pub(crate) fn thread(counted: bool) -> Waiter {
        Waiter::Thread { thread: thread::current(), counted }
    }

    /// Makes the waiter look at its condition again. From anywhere.
    pub(crate) fn wake(self) {
        match self {
            Waiter::Fiber(fiber) => fiber.wake(),
            Waiter::Thread { thread, counted } => {
                if counted {
                    threads::unblocked();
                }
                thread.unpark();
            }
            // Somebody else's code, which must not end the runtime.
            Waiter::Task(waker) => drop_quietly(Woken(Some(waker))),
        }
    }
}

/// Wakes a task when it is dropped.
struct Woken(Option<Waker>);

impl Drop for Woken {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl FiberRef {
    /// Makes the fiber look at its condition again, if it has started and not ended. From anywhere.
    pub(crate) fn wake(self) {
        if self.roam.is_migratable() && !self.roam.is_fresh() {
            return roaming::wake(&self);
        }
        let Some(home) = self.home() else {
            return;
        };
        if self.roam.is_migratable() {
            // One that is kept to start later, or was until now.
            return home.ask(Request::Hurry(self));
        }
        match Worker::current() {
            Some(worker) if ptr::eq(worker.home(), home) => worker.look_at(&self),
            _ => home.post(self),
        }
    }
}

impl Header {
    /// The home of the worker that started the fiber, or keeps it until it starts; if it stays, of its worker.
    pub(crate) fn home(&self) -> Option<&'static Home> {
        let home = self.summons.home();
        if home.addr() <= NOWHERE.addr() {
            return None;
        }
        // SAFETY: what is neither null nor `NOWHERE` was stored by a worker, and is its home, which is never freed.
        Some(unsafe { &*home.cast::<Home>() })
    }
}
