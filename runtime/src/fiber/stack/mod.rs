//! Stacks: the memory that fibers run on.
//!
//! This room maps stacks, guards them, hands them out when fibers start, takes them back when fibers end, and returns memory
//! to the kernel after a peak. It owns every mapping a fiber runs on. It calls `sys::memory` and nothing else; it knows
//! nothing of fibers, workers or scheduling.
//!
//! # One stack
//!
//! A stack takes a power of two of the address space, its [`SizeClass`], in which everything else is included:
//!
//! ```text
//!  higher addresses
//!     ┌───────────────────────┐ limit + size      a page boundary
//!     │ colour: unused,       │
//!     │ (number % 16) × 64 B  │
//!     ├───────────────────────┤ base              aligned to 64 bytes; the first frame begins here
//!     │ frames                │
//!     │   │ grow downwards    │                   pages appear as they are touched;
//!     │   ▼                   │                   one is resident in a fiber that does little
//!     │                       │
//!     │ untouched             │
//!     ├───────────────────────┤ limit + guard     a page boundary
//!     │ guard: every access   │
//!     │ faults                │                   one page, or what the configuration says
//!     └───────────────────────┘ limit             a page boundary
//!  lower addresses
//! ```
//!
//! The colour is there for the caches: with every base at the same place of a page, the hottest lines of all stacks compete for
//! the same few cache sets, and switching between a thousand fibers takes three times as long. Sixteen colours are enough for
//! that, and small enough that a fiber a kilobyte deep still stays within its first page.
//!
//! A [`Stack`] is two words, base and limit; its size, class and guard follow from them ([`StackBounds`]).
//!
//! # Many stacks
//!
//! ```text
//!   fiber starts                                          fiber ends
//!        │ take                                          give │
//!        │        ┌─────────────── StackCache ───────────────┐│   one per worker, no lock:
//!        └────────┤  two magazines of up to 32, per class    │◄   last in, first out
//!                 └───────▲──────────────────────────┬───────┘
//!                withdraw │   whole magazines        │ deposit
//!                 ┌───────┴─────── StackPool ────────▼───────┐    one per NUMA node, behind a mutex
//!                 │  depot: magazines, last in, first out    │    their pages stay as they were
//!                 │     ▲ none left            unused │      │
//!                 │     │                  for a while│      │
//!                 │  ┌──┴───────────────────────────▼──┐     │
//!                 │  │ slabs: 32, 64, … 4096 stacks in │     │    pages given back to the kernel
//!                 │  │ one mapping each                │     │
//!                 │  └─────────────────────────────────┘     │
//!                 └──────────────────────────────────────────┘
//! ```
//!
//! This is Bonwick's and Adams's magazine layer ("Magazines and Vmem", USENIX 2001): the depot moves whole magazines, so what a
//! worker pays a stack in the pool is a thirty-second of a lock.
//!
//! **Guards** are made when a stack is first handed out. `MADV_GUARD_INSTALL` (Linux 6.13) is tried on each mapping, because it
//! leaves the slab one mapping; where it is refused, `mprotect` splits the slab into two mappings for each stack, and the
//! default `vm.max_map_count` ends at about 32,750 stacks.
//!
//! **Giving back.** Time is divided into epochs of about a second. Magazines that no one took from the depot during a whole
//! epoch are surplus, and half of them (all, when there is one) go back to their slabs, where neighbouring stacks are
//! discarded with one call. Slabs that are whole again and were not needed for an epoch are unmapped, except for a small
//! reserve. So a load that comes back within seconds finds most of its pages, and a peak is forgotten in some
//! twenty epochs. The work is done in slices of a fraction of a millisecond by whoever calls [`StackCache::trim`].
//!
//! # Who may touch what
//!
//! - A [`Stack`] is the sole owner of its memory. It cannot be copied, and while it exists its mapping stays, even past the
//!   end of its pool. Dropping one instead of giving it back leaks its memory and is always safe.
//! - A slab's numbers are touched under its pool's mutex. No system call is made under the mutex but the guards of fresh stacks
//!   and the mapping of a new slab.
//! - A cache belongs to one worker.
//!
//! # Rejected
//!
//! - *One mapping for each stack* (corosensei's `DefaultStack`): 5 us to make, and the limit of mappings ends it at 32,750.
//! - *The pool's bookkeeping on the stacks themselves* (an intrusive free list): every take and give would touch a cold page.
//! - *Guards for a whole slab when it is mapped*: 4096 calls of 0.7 us are a pause of 3 ms for one unlucky fiber. Handing all
//!   ranges to one `process_madvise` call saved a third of that and needs a file descriptor or a newer kernel.
//! - *Populating first pages in advance* (`MADV_POPULATE_WRITE`): no cheaper than touching them, see `sys::memory`.
//! - *Keeping some touched stacks for ever*: what was unused for a whole epoch can be touched again for 2 us.

mod bounds;
mod cache;
#[cfg(test)]
pub(crate) mod child;
mod class;
mod error;
mod pool;
mod shelf;
mod slab;
pub(crate) mod watermark;

pub(crate) use bounds::StackBounds;
pub(crate) use cache::StackCache;
pub(crate) use class::SizeClass;
pub(crate) use error::{Bytes, StackError};
pub(crate) use pool::{StackConfig, StackPool, StackStatistics};

use std::ops::Range;

use corosensei::stack::StackPointer;

/// A stack: the sole owner of its memory.
///
/// Made by [`StackCache::take`], to be brought back with [`StackCache::give`]. Dropping it instead leaks the memory.
#[derive(Debug)]
#[must_use = "a stack that is dropped is leaked; give it back to a cache"]
pub(crate) struct Stack {
    bounds: StackBounds,
}

const _: () = assert!(size_of::<Stack>() == 16 && size_of::<Option<Stack>>() == 16);

impl Stack {
    /// A stack that occupies `bounds`.
    ///
    /// # Safety
    ///
    /// `bounds` describes mapped memory: below, a guard that faults on every access; above, at least
    /// [`corosensei::stack::MIN_STACK_SIZE`] readable and writable bytes. All of it stays so while the stack exists, and no other
    /// stack or object is in it.
    #[inline]
    pub(super) unsafe fn new(bounds: StackBounds) -> Self {
        Self { bounds }
    }

    /// Where the stack lies.
    #[inline]
    pub(crate) fn bounds(&self) -> StackBounds {
        self.bounds
    }

    /// The bytes of address space that the stack takes, guard and colour included: its class's size.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.bounds.size()
    }

    /// The class the stack belongs to.
    #[inline]
    pub(crate) fn class(&self) -> SizeClass {
        self.bounds.class()
    }

    /// The addresses that frames may occupy.
    #[inline]
    pub(crate) fn usable(&self) -> Range<usize> {
        self.bounds.usable()
    }

    /// The addresses of the guard below them.
    #[inline]
    pub(crate) fn guard(&self) -> Range<usize> {
        self.bounds.guard()
    }
}

// SAFETY: by the promise given to `Stack::new` there is a guard below the usable part, whose length of at least half the class's
// size, less the largest colour, is more than `MIN_STACK_SIZE`. Base and limit are aligned to 64 bytes and to a page.
unsafe impl corosensei::stack::Stack for Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.bounds.base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        StackPointer::new(self.bounds.limit()).expect("nothing is mapped at address zero")
    }
}

#[cfg(test)]
mod tests;
