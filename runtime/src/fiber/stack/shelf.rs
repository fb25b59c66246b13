//! The stacks of one class in a pool.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use super::Stack;
use super::class::SizeClass;
use super::error::Failure;
use super::slab::Slab;

/// Stacks that travel together: at most [`SizeClass::batch`] of one class.
pub(super) type Magazine = Vec<Stack>;

/// Empty magazines kept for reuse, for each class.
const SPARE_MAGAZINES: usize = 64;

/// The stacks of one class.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) class: SizeClass,
    /// Stacks that came back, the latest last.
    pub(super) depot: VecDeque<Magazine>,
    /// The smallest size of the depot in this epoch: so many magazines nobody wanted.
    pub(super) low: usize,
    /// Magazines at the bottom of the depot that are to go back to their slabs.
    pub(super) owed: usize,
    /// Empty magazines.
    spare: Vec<Magazine>,
    /// By the start of their mappings.
    pub(super) slabs: BTreeMap<usize, Slab>,
    /// The slab that stacks were last taken from.
    current: Option<usize>,
    pub(super) mapped: usize,
    /// How many stacks the next magazine gets that is filled from the slabs: one at first, then twice as many each time. Each stack that is
    /// new costs a system call, and most runtimes of a test or a small program start few fibers.
    filling: usize,
}

impl Shelf {
    pub(super) fn new(class: SizeClass) -> Self {
        Self {
            class,
            depot: VecDeque::new(),
            low: 0,
            owed: 0,
            spare: Vec::new(),
            slabs: BTreeMap::new(),
            current: None,
            mapped: 0,
            filling: 1,
        }
    }

    /// Exchanges the empty `magazine` for the one that came back last; `false` if there is none.
    pub(super) fn lend(&mut self, magazine: &mut Magazine) -> bool {
        let Some(full) = self.depot.pop_back() else {
            return false;
        };
        self.low = self.low.min(self.depot.len());
        let empty = mem::replace(magazine, full);
        self.keep(empty);
        true
    }

    /// Exchanges the full `magazine` for an empty one.
    pub(super) fn collect(&mut self, magazine: &mut Magazine) {
        let empty = self.spare.pop().unwrap_or_default();
        self.depot.push_back(mem::replace(magazine, empty));
    }

    /// Keeps an empty magazine for reuse.
    fn keep(&mut self, magazine: Magazine) {
        if self.spare.len() < SPARE_MAGAZINES && magazine.capacity() > 0 {
            self.spare.push(magazine);
        }
    }

    /// Fills `magazine` from the slabs, mapping one with `map` (which is told for how many stacks) when they run out.
    pub(super) fn fill(
        &mut self,
        magazine: &mut Magazine,
        epoch: u64,
        map: impl Fn(usize) -> Result<Slab, Failure>,
    ) -> Result<(), Failure> {
        let batch = self.filling.min(self.class.batch());
        self.filling = 2 * batch;
        magazine.reserve_exact(self.class.batch());
        while magazine.len() < batch {
            let Some(slab) = self.slab_with_stacks() else {
                // One mapping is made for this call, not more: what it yields is enough to go on with.
                if !magazine.is_empty() {
                    return Ok(());
                }
                self.add_slab(&map)?;
                continue;
            };
            while magazine.len() < batch
                && let Some(stack) = slab.take(epoch)?
            {
                magazine.push(stack);
            }
        }
        Ok(())
    }

    /// The slab that stacks are to be taken from: the latest one used, otherwise the one with the highest address, which is
    /// usually the oldest, so that the youngest become whole again.
    fn slab_with_stacks(&mut self) -> Option<&mut Slab> {
        let current = self.current.filter(|address| self.slabs.get(address).is_some_and(Slab::has_stacks));
        self.current = current
            .or_else(|| self.slabs.iter().rev().find(|(_, slab)| slab.has_stacks()).map(|(&address, _)| address));
        self.slabs.get_mut(&self.current?)
    }

    /// Maps a slab; a smaller one where the kernel refuses the size that is due.
    fn add_slab(&mut self, map: impl Fn(usize) -> Result<Slab, Failure>) -> Result<(), Failure> {
        let mut capacity = self.class.slab_capacity(self.mapped);
        let slab = loop {
            match map(capacity) {
                Ok(slab) => break slab,
                Err(failure) if capacity == 1 => return Err(failure),
                Err(_) => capacity /= 2,
            }
        };
        self.mapped += slab.capacity();
        self.current = Some(slab.range().start);
        self.slabs.insert(slab.range().start, slab);
        Ok(())
    }

    /// Returns the stacks of `magazine` to their slabs.
    pub(super) fn put_back(&mut self, mut magazine: Magazine) {
        for stack in magazine.drain(..) {
            let address = stack.bounds().limit();
            let slab = self.slabs.range_mut(..=address).next_back().map(|(_, slab)| slab);
            match slab.filter(|slab| slab.range().contains(&address)) {
                Some(slab) => slab.put(stack),
                // From another pool: leaked, which is safe.
                None => debug_assert!(false, "a stack of another pool"),
            }
        }
        self.keep(magazine);
        self.current = None;
    }

    /// The youngest slab that nobody has needed since the epoch before `epoch` began and that is not part of the reserve.
    pub(super) fn removable(&self, epoch: u64) -> Option<usize> {
        self.slabs
            .iter()
            .find(|(_, slab)| {
                slab.is_idle(epoch.saturating_sub(1)) && self.mapped - slab.capacity() >= self.class.reserve()
            })
            .map(|(&address, _)| address)
    }

    pub(super) fn remove_idle(&mut self, epoch: u64) -> Option<Slab> {
        let address = self.removable(epoch)?;
        let slab = self.slabs.remove(&address)?;
        self.mapped -= slab.capacity();
        Some(slab)
    }
}
