//! The stacks of a worker, to be measured.

use crate::fiber::stack::{SizeClass, Stack, StackCache, StackConfig, StackPool};
use std::sync::Arc;

/// The stacks of one worker: a cache on top of a pool of its own.
///
/// ```
/// let mut stacks = fiber::internals::Stacks::new();
/// let stack = stacks.take(64 * 1024);
/// stacks.give(stack);
/// ```
#[derive(Debug)]
pub struct Stacks(StackCache);

/// A stack that was taken. Dropped instead of given back, it is leaked.
#[derive(Debug)]
#[must_use = "a stack that is dropped is leaked"]
pub struct Taken(Stack);

impl Stacks {
    /// An empty cache on top of an empty pool.
    #[expect(clippy::new_without_default, reason = "nothing is generic over it")]
    pub fn new() -> Stacks {
        Stacks(StackCache::new(Arc::new(StackPool::new(None, &StackConfig::default()))))
    }

    /// Takes a stack of the class that `size` falls into.
    ///
    /// # Panics
    ///
    /// If there is no such class, or no memory for a stack.
    #[inline]
    pub fn take(&mut self, size: usize) -> Taken {
        let class = SizeClass::for_size(size).expect("a class for this size");
        Taken(self.0.take(class).expect("memory for a stack"))
    }

    /// Gives a stack back.
    #[inline]
    pub fn give(&mut self, stack: Taken) {
        self.0.give(stack.0);
    }
}
