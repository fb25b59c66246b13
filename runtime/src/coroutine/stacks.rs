//! Where the stacks of coroutines come from: on a worker from the worker's own, elsewhere from a cache of the thread's.

use crate::fiber::nested::{Flow, OfFiber, overflowing_on_thread};
use crate::fiber::overflow::{self, AltStack};
use crate::fiber::stack::{SizeClass, Stack, StackCache, StackConfig, StackError, StackPool};
use crate::sched::worker::Worker;
use crate::sched::{Current, clock};
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Arc, OnceLock};

/// After so many stacks given back a thread looks whether it is time to return memory.
const TRIM_EVERY: u32 = 64;

/// Whose a stack is, and so to whom it goes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lender {
    /// The worker on this thread.
    Worker,
    /// The pool of all threads that are no workers.
    Pool,
}

/// The pool of all threads that are no workers.
fn pool() -> Arc<StackPool> {
    static POOL: OnceLock<Arc<StackPool>> = OnceLock::new();
    POOL.get_or_init(|| Arc::new(StackPool::new(None, &StackConfig::default()))).clone()
}

/// What a thread on which coroutines run keeps for them.
struct Thread {
    cache: OnceCell<RefCell<StackCache>>,
    given: Cell<u32>,
    /// What the message for an overflow is printed on; a worker has one already.
    _alternate: Option<AltStack>,
}

thread_local! {
    static THREAD: Thread = Thread::new();
    /// Whether the thread's own state is gone: thread-locals are being destroyed.
    static GONE: Cell<bool> = const { Cell::new(false) };
}

impl Thread {
    fn new() -> Thread {
        let alternate = if overflow::has_lookup() {
            None
        } else {
            overflow::install();
            overflow::set_lookup(Some(overflowing_on_thread));
            // Without one an overflow ends the process all the same, with less to read.
            AltStack::install().ok()
        };
        Thread { cache: OnceCell::new(), given: Cell::new(0), _alternate: alternate }
    }

    fn cache(&self) -> &RefCell<StackCache> {
        self.cache.get_or_init(|| RefCell::new(StackCache::new(pool())))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        GONE.set(true);
    }
}

/// The flow of control that the caller is part of, and its state if it is a fiber.
#[inline]
pub(super) fn current_flow<'a>() -> (Flow, Option<OfFiber<'a>>) {
    match Current::get() {
        Some(current) => {
            let header = current.header();
            (Flow::fiber(header), Some((&header.own, current.innermost_section())))
        }
        None => (Flow::thread(u32::from(GONE.get())), None),
    }
}

/// A stack of at least `size` bytes.
// Out of line, for a caller that may change threads before the next call.
#[cfg_attr(feature = "migrate", inline(never))]
pub(super) fn take(size: Option<usize>) -> Result<(Stack, Lender), StackError> {
    let class = size.map_or(Ok(SizeClass::DEFAULT), SizeClass::for_size)?;
    // Also on a worker: to be there before the thread-locals that the coroutine will use.
    let _ = THREAD.try_with(|_| ());
    if let Some(worker) = Worker::current() {
        if let Some(current) = Current::get() {
            // It is given back here, and what runs on it may have the worker's address.
            current.header().own.ties.pin();
        }
        return Ok((worker.lend_stack(class)?, Lender::Worker));
    }
    let stack = THREAD.try_with(|thread| thread.cache().borrow_mut().take(class));
    Ok((stack.unwrap_or_else(|_| StackCache::new(pool()).take(class))?, Lender::Pool))
}

/// Gives a stack back to where it is from. A worker's that is no worker any more has none to take it, and it is leaked.
#[cfg_attr(feature = "migrate", inline(never))]
pub(super) fn give(stack: Stack, lender: Lender) {
    match lender {
        Lender::Worker => {
            if let Some(worker) = Worker::current() {
                worker.take_back(stack);
            }
        }
        Lender::Pool => {
            let mut stack = Some(stack);
            let _ = THREAD.try_with(|thread| {
                let mut cache = thread.cache().borrow_mut();
                cache.give(stack.take().expect("given once"));
                let given = thread.given.get().wrapping_add(1);
                thread.given.set(given);
                if given.is_multiple_of(TRIM_EVERY) {
                    cache.trim(clock::now());
                }
            });
            if let Some(stack) = stack {
                StackCache::new(pool()).give(stack);
            }
        }
    }
}
