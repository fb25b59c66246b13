//! A worker's own stacks.

use std::mem;
use std::sync::Arc;

use super::Stack;
use super::class::SizeClass;
use super::error::StackError;
use super::pool::{NEVER, StackPool};
use super::shelf::Magazine;

/// A worker's own stacks: what it takes when a fiber starts and where it gives it back when the fiber ends, without a lock.
///
/// For each class there are two magazines of up to 32 stacks, so that a worker which takes and gives at the edge of one does not go
/// to the pool each time. Dropping the cache gives everything to the pool.
#[derive(Debug)]
pub(crate) struct StackCache {
    bins: [Bin; SizeClass::COUNT],
    /// When the epoch ends; [`NEVER`] while there is none.
    epoch_end: u64,
    /// Whether a stack came in since the cache was last seen empty.
    stocked: bool,
    pool: Arc<StackPool>,
}

/// The stacks of one class.
#[derive(Debug, Default)]
struct Bin {
    /// Taken from and given to.
    loaded: Magazine,
    /// Full or empty, but for stacks left over from trimming.
    second: Magazine,
    /// Whether a stack was taken in this epoch.
    taken: bool,
    /// Whether `second` was needed in this epoch.
    exchanged: bool,
}

impl StackCache {
    /// An empty cache on top of `pool`.
    pub(crate) fn new(pool: Arc<StackPool>) -> Self {
        Self { bins: std::array::from_fn(|_| Bin::default()), epoch_end: NEVER, stocked: false, pool }
    }

    /// The pool below.
    #[cfg(test)]
    pub(crate) fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }

    /// How many stacks lie here.
    pub(crate) fn held(&self) -> usize {
        self.bins.iter().map(Bin::held).sum()
    }

    /// Takes a stack of `class`: the one that was given last, otherwise one from the pool.
    ///
    /// # Errors
    ///
    /// What kept the pool from making one more, with the cure in its text.
    #[inline]
    pub(crate) fn take(&mut self, class: SizeClass) -> Result<Stack, StackError> {
        let bin = &mut self.bins[class.index()];
        bin.taken = true;
        match bin.loaded.pop() {
            Some(stack) => Ok(stack),
            None => self.take_slowly(class),
        }
    }

    /// Gives `stack` back.
    #[inline]
    pub(crate) fn give(&mut self, stack: Stack) {
        self.stocked = true;
        let class = stack.class();
        let bin = &mut self.bins[class.index()];
        // The capacity of a magazine in use is the class's batch.
        if bin.loaded.len() < bin.loaded.capacity() {
            bin.loaded.push(stack);
        } else {
            self.give_slowly(class, stack);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&mut self, class: SizeClass) -> Result<Stack, StackError> {
        let bin = &mut self.bins[class.index()];
        mem::swap(&mut bin.loaded, &mut bin.second);
        bin.exchanged = true;
        if bin.loaded.is_empty() {
            self.pool.withdraw(class, &mut bin.loaded)?;
            self.stocked = true;
        }
        Ok(bin.loaded.pop().expect("the pool gives at least one stack"))
    }

    #[cold]
    #[inline(never)]
    fn give_slowly(&mut self, class: SizeClass, stack: Stack) {
        let bin = &mut self.bins[class.index()];
        if bin.loaded.len() >= class.batch() {
            self.pool.deposit(class, &mut bin.second);
            mem::swap(&mut bin.loaded, &mut bin.second);
            bin.exchanged = true;
        }
        bin.loaded.reserve_exact(class.batch() - bin.loaded.len());
        bin.loaded.push(stack);
    }

    /// Gives back what was not needed for an epoch: here to the pool, in the pool to the kernel. Costs two comparisons when nothing
    /// is due, and a fraction of a millisecond when something is.
    ///
    /// `now_ns` is the present in nanoseconds of any steady clock that all callers share. Returns when to call again: a worker that
    /// parks sets its alarm for then. `None` says that nothing is surplus until more stacks are given back.
    #[inline]
    pub(crate) fn trim(&mut self, now_ns: u64) -> Option<u64> {
        if now_ns >= self.epoch_end || (self.stocked && self.epoch_end == NEVER) {
            self.turn_epoch(now_ns);
        }
        let own = (self.epoch_end != NEVER).then_some(self.epoch_end);
        match (own, self.pool.trim(now_ns)) {
            (Some(own), Some(pool)) => Some(own.min(pool)),
            (own, pool) => own.or(pool),
        }
    }

    #[cold]
    fn turn_epoch(&mut self, now: u64) {
        let over = self.epoch_end != NEVER;
        for (index, bin) in self.bins.iter_mut().enumerate() {
            let class = SizeClass::at(index);
            if over && !bin.exchanged {
                self.pool.deposit(class, &mut bin.second);
            }
            if over && !bin.taken {
                self.pool.deposit(class, &mut bin.loaded);
            }
            bin.taken = false;
            bin.exchanged = false;
        }
        self.stocked = self.held() > 0;
        self.epoch_end = if self.stocked { now.saturating_add(self.pool.epoch()) } else { NEVER };
    }
}

impl Bin {
    fn held(&self) -> usize {
        self.loaded.len() + self.second.len()
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        for (index, bin) in self.bins.iter_mut().enumerate() {
            self.pool.deposit(SizeClass::at(index), &mut bin.second);
            self.pool.deposit(SizeClass::at(index), &mut bin.loaded);
        }
    }
}
