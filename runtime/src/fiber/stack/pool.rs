//! The stacks of one NUMA node.

use std::mem;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounds::StackBounds;
use super::class::SizeClass;
use super::error::StackError;
use super::shelf::{Magazine, Shelf};
use super::slab::{Guards, Run, Slab};
use crate::sys::memory;

/// "Not before anything changes", where a time in nanoseconds is expected.
pub(super) const NEVER: u64 = u64::MAX;

/// Magazines that one slice of trimming takes out of the depot: 2048 stacks at about 50 ns.
const MAGAZINES_A_SLICE: usize = 64;

/// Stacks that one slice of trimming discards, at 0.4 us for a neighbour and 2 us for a loner.
const STACKS_A_SLICE: usize = 512;

/// Loners that one slice of trimming discards.
const RUNS_A_SLICE: usize = 64;

/// Nanoseconds between two slices.
const BETWEEN_SLICES: u64 = 1_000_000;

/// How a pool makes its stacks and how long it keeps them.
#[derive(Clone, Debug)]
pub(crate) struct StackConfig {
    /// Bytes below each stack that fault, rounded up to whole pages, at least one and less than 16 MiB. More than one page is for
    /// code that may step over a page without touching it: foreign code without stack probes.
    pub(crate) guard_size: usize,
    /// Makes guards with `mprotect` even where the kernel has something better.
    pub(crate) protect_guards: bool,
    /// How long a stack must have been unused before its memory is given back.
    pub(crate) epoch: Duration,
}

impl Default for StackConfig {
    fn default() -> Self {
        Self { guard_size: 0, protect_guards: false, epoch: Duration::from_secs(1) }
    }
}

/// What a pool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackStatistics {
    /// Mappings made and not given back.
    pub(crate) slabs: usize,
    /// Stacks there is room for in them.
    pub(crate) mapped: usize,
    /// Stacks with fibers and in workers' caches ([`StackCache::held`](super::StackCache::held) tells those apart).
    pub(crate) out: usize,
    /// Stacks in the pool: `mapped - out`.
    pub(crate) free: usize,
    /// Bytes of address space mapped.
    pub(crate) bytes_mapped: usize,
    /// Bytes of memory estimated to be resident: one page for each stack that was used since its pages were last given back.
    /// Stacks that were used deeper hold more.
    pub(crate) bytes_resident: usize,
}

impl AddAssign for StackStatistics {
    fn add_assign(&mut self, other: Self) {
        self.slabs += other.slabs;
        self.mapped += other.mapped;
        self.out += other.out;
        self.free += other.free;
        self.bytes_mapped += other.bytes_mapped;
        self.bytes_resident += other.bytes_resident;
    }
}

/// The stacks of one NUMA node, shared by the caches of its workers.
///
/// Dropping it unmaps what is back; stacks that are still out keep their mappings for ever.
#[derive(Debug)]
pub(crate) struct StackPool {
    node: Option<u32>,
    guard: usize,
    guards: Guards,
    epoch: u64,
    /// When trimming has something to do, in the caller's nanoseconds. Written under the mutex.
    due: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shelves: [Shelf; SizeClass::COUNT],
    /// The number of the epoch.
    epoch: u64,
    /// When it ends; `None` while there is nothing to give back, and so no epoch.
    epoch_end: Option<u64>,
}

/// What a slice of trimming does while others may use the pool.
#[derive(Default)]
struct Chores {
    discards: Vec<Discard>,
    /// To be unmapped, by dropping it.
    idle: Option<Slab>,
}

/// Stacks whose pages are to be given back.
struct Discard {
    run: Run,
    /// Where the run came from: a shelf, and there the slab at an address.
    shelf: usize,
    slab: usize,
}

impl StackPool {
    /// A pool without stacks, whose memory comes from NUMA node `node` if there is one.
    pub(crate) fn new(node: Option<u32>, config: &StackConfig) -> Self {
        let page = memory::page_size();
        let guard = config.guard_size.clamp(1, StackBounds::MAX_GUARD / page * page).next_multiple_of(page);
        Self {
            node,
            guard,
            guards: if config.protect_guards { Guards::Protection } else { Guards::Marker },
            epoch: u64::try_from(config.epoch.as_nanos()).unwrap_or(NEVER / 2),
            due: AtomicU64::new(NEVER),
            state: Mutex::new(State {
                shelves: std::array::from_fn(|index| Shelf::new(SizeClass::at(index))),
                epoch: 1,
                epoch_end: None,
            }),
        }
    }

    /// The nanoseconds of an epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the pool holds now.
    pub(crate) fn statistics(&self) -> StackStatistics {
        let state = self.lock();
        let mut sum = StackStatistics::default();
        for shelf in &state.shelves {
            let depot: usize = shelf.depot.iter().map(Vec::len).sum();
            let out: usize = shelf.slabs.values().map(Slab::out).sum();
            let touched: usize = shelf.slabs.values().map(|slab| slab.issued() - slab.clean()).sum();
            sum.slabs += shelf.slabs.len();
            sum.mapped += shelf.mapped;
            sum.out += out.saturating_sub(depot);
            sum.bytes_mapped += shelf.mapped * shelf.class.size();
            sum.bytes_resident += touched * memory::page_size();
        }
        sum.free = sum.mapped - sum.out;
        sum
    }

    /// Fills the empty `magazine` with at least one stack of `class`.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] where the guard takes more than half of the class, otherwise what kept the kernel from making one more.
    pub(super) fn withdraw(&self, class: SizeClass, magazine: &mut Magazine) -> Result<(), StackError> {
        debug_assert!(magazine.is_empty());
        if self.guard > class.size() / 2 {
            return Err(StackError::TooSmall {
                requested: class.size(),
                minimum: (2 * self.guard).next_power_of_two(),
            });
        }
        let mut state = self.lock();
        let epoch = state.epoch;
        let shelf = &mut state.shelves[class.index()];
        if shelf.lend(magazine) {
            return Ok(());
        }
        let filled =
            shelf.fill(magazine, epoch, |capacity| Slab::map(class, capacity, self.guard, self.guards, self.node));
        drop(state);
        // What was got before the failure is good.
        if magazine.is_empty() { filled.map_err(StackError::diagnose) } else { Ok(()) }
    }

    /// Takes one stack back, from a thread that has no cache of this pool's.
    #[cfg(feature = "migrate")]
    pub(crate) fn take_back(&self, stack: super::Stack) {
        self.deposit(stack.class(), &mut vec![stack]);
    }

    /// Takes over the stacks of `magazine`, which are of `class`, and leaves it empty.
    pub(super) fn deposit(&self, class: SizeClass, magazine: &mut Magazine) {
        if magazine.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.shelves[class.index()].collect(magazine);
        if state.epoch_end.is_none() {
            // The next call of `trim` begins an epoch.
            self.due.store(0, Ordering::Relaxed);
        }
    }

    /// Gives memory back if it is time to; a slice of the work takes a fraction of a millisecond. Times are nanoseconds of any
    /// steady clock.
    ///
    /// Returns when to call again, `None` if nothing is left to give back until more stacks are deposited.
    pub(super) fn trim(&self, now: u64) -> Option<u64> {
        if now >= self.due.load(Ordering::Relaxed) {
            self.trim_slice(now);
        }
        let due = self.due.load(Ordering::Relaxed);
        (due != NEVER).then_some(due.max(now))
    }

    fn trim_slice(&self, now: u64) {
        let mut state = self.lock();
        if now < self.due.load(Ordering::Relaxed) {
            // Somebody else was quicker.
            return;
        }
        self.due.store(now.saturating_add(BETWEEN_SLICES), Ordering::Relaxed);
        state.turn_epoch(now, self.epoch);
        state.empty_depots();
        let Chores { discards, idle } = state.chores();
        drop(state);

        drop(idle);
        for discard in &discards {
            discard.run.discard();
        }

        let mut state = self.lock();
        for Discard { run, shelf, slab } in discards {
            let slab = state.shelves[shelf].slabs.get_mut(&slab);
            // The stacks of the run count as out, and a slab with stacks out is not removed.
            slab.expect("the slab of a run").finish_discard(run);
        }
        let due = state.next_slice(now);
        self.due.store(due, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here leaves the state half changed when it panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StackPool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for shelf in &mut state.shelves {
            // Slabs unmap themselves if all their stacks are back.
            for magazine in mem::take(&mut shelf.depot) {
                shelf.put_back(magazine);
            }
        }
    }
}

impl State {
    /// Begins an epoch if there is none, and the next one when it is over.
    fn turn_epoch(&mut self, now: u64, length: u64) {
        match self.epoch_end {
            Some(end) if now < end => return,
            Some(_) => {
                for shelf in &mut self.shelves {
                    shelf.owed = if shelf.low <= 1 { shelf.low } else { shelf.low.div_ceil(2) };
                }
            }
            None => {}
        }
        for shelf in &mut self.shelves {
            shelf.low = shelf.depot.len();
        }
        self.epoch += 1;
        self.epoch_end = Some(now.saturating_add(length));
    }

    /// Moves surplus magazines from the depots back to their slabs.
    fn empty_depots(&mut self) {
        let mut budget = MAGAZINES_A_SLICE;
        for shelf in &mut self.shelves {
            // Since they were found surplus, the depot may have shrunk.
            shelf.owed = shelf.owed.min(shelf.depot.len());
            let count = shelf.owed.min(budget);
            let surplus: Vec<_> = shelf.depot.drain(..count).collect();
            for magazine in surplus {
                shelf.put_back(magazine);
            }
            shelf.owed -= count;
            shelf.low = shelf.low.min(shelf.depot.len());
            budget -= count;
        }
    }

    /// Takes out what a slice of trimming is to discard, or a slab to unmap.
    fn chores(&mut self) -> Chores {
        let mut chores = Chores::default();
        let mut stacks = STACKS_A_SLICE;
        for (index, shelf) in self.shelves.iter_mut().enumerate() {
            for (&address, slab) in &mut shelf.slabs {
                while stacks > 0
                    && chores.discards.len() < RUNS_A_SLICE
                    && let Some(run) = slab.begin_discard(stacks)
                {
                    stacks -= run.len();
                    chores.discards.push(Discard { run, shelf: index, slab: address });
                }
            }
        }
        if chores.discards.is_empty() {
            let epoch = self.epoch;
            chores.idle = self.shelves.iter_mut().find_map(|shelf| shelf.remove_idle(epoch));
        }
        chores
    }

    /// When the next slice is due; ends the epochs when nothing is left to give back.
    fn next_slice(&mut self, now: u64) -> u64 {
        let epoch = self.epoch;
        let busy = self.shelves.iter().any(|shelf| {
            shelf.owed > 0 || shelf.slabs.values().any(Slab::has_dirty) || shelf.removable(epoch).is_some()
        });
        if busy {
            return now.saturating_add(BETWEEN_SLICES);
        }
        let later = self.shelves.iter().any(|shelf| !shelf.depot.is_empty() || shelf.removable(NEVER).is_some());
        if !later {
            self.epoch_end = None;
            return NEVER;
        }
        // Without an epoch something was deposited while another thread ended the last one: begin one at once.
        self.epoch_end.unwrap_or(0)
    }
}
