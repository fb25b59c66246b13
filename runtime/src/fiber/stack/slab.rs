//! One mapping that holds many stacks of one class.

use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;

use super::Stack;
use super::bounds::StackBounds;
use super::class::SizeClass;
use super::error::Failure;
use crate::sys::memory::Mapping;

/// How guards are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guards {
    /// By a marker in the page tables (`MADV_GUARD_INSTALL`): the slab stays one mapping.
    Marker,
    /// By taking the permissions (`mprotect`): two mappings for every stack.
    Protection,
}

/// One mapping that holds many stacks of one class.
///
/// Every stack is in one of four states:
///
/// - *fresh*: never handed out, without a guard yet (numbers from `issued` on);
/// - *out*: somewhere in the shape of a [`Stack`], which is the only one of its number;
/// - *dirty*: back, with the pages its last users touched (bit set in `free` and in `dirty`);
/// - *clean*: back, its pages given back to the kernel (bit set in `free` alone).
///
/// The mapping is unmapped only when no stack is out; a slab that is dropped before leaves it in place for ever. So whoever
/// holds a [`Stack`] may use its memory, whatever became of the pool.
#[derive(Debug)]
pub(super) struct Slab {
    mapping: ManuallyDrop<Mapping>,
    class: SizeClass,
    guard: usize,
    guards: Guards,
    capacity: usize,
    issued: usize,
    free: Bits,
    dirty: Bits,
    /// The pool's epoch in which a stack was last taken from here.
    last_taken: u64,
}

/// Neighbouring stacks of a slab that are out in order to be discarded together.
#[derive(Debug)]
pub(super) struct Run {
    stacks: Range<usize>,
    addresses: Range<usize>,
}

impl Slab {
    /// Maps room for `capacity` stacks, each with the lowest `guard` bytes as its guard.
    pub(super) fn map(
        class: SizeClass,
        capacity: usize,
        guard: usize,
        guards: Guards,
        node: Option<u32>,
    ) -> Result<Self, Failure> {
        let bytes = class.size() * capacity;
        let mapping = Mapping::reserve(bytes).map_err(|error| Failure { call: "mmap", bytes, error })?;
        // Both are wishes: a kernel without huge pages or without NUMA has nothing to refuse us, and a sandbox that forbids the
        // policy call costs locality, not correctness.
        let _ = mapping.no_huge_pages();
        if let Some(node) = node {
            let _ = mapping.prefer_node(node);
        }
        Ok(Self {
            mapping: ManuallyDrop::new(mapping),
            class,
            guard,
            guards,
            capacity,
            issued: 0,
            free: Bits::new(capacity),
            dirty: Bits::new(capacity),
            last_taken: 0,
        })
    }

    /// The addresses of the mapping.
    pub(super) fn range(&self) -> Range<usize> {
        self.mapping.range()
    }

    /// How many stacks there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many stacks are out.
    pub(super) fn out(&self) -> usize {
        self.issued - self.free.count
    }

    /// How many stacks are back and clean.
    pub(super) fn clean(&self) -> usize {
        self.free.count - self.dirty.count
    }

    /// How many stacks were ever handed out.
    pub(super) fn issued(&self) -> usize {
        self.issued
    }

    /// Whether there is a stack to take.
    pub(super) fn has_stacks(&self) -> bool {
        self.free.count > 0 || self.issued < self.capacity
    }

    /// Whether a stack waits to be discarded.
    pub(super) fn has_dirty(&self) -> bool {
        self.dirty.count > 0
    }

    /// Whether the slab holds nothing worth keeping: none out, none dirty, none taken since epoch `since` began.
    pub(super) fn is_idle(&self, since: u64) -> bool {
        self.out() == 0 && !self.has_dirty() && self.last_taken < since
    }

    /// Takes a stack in epoch `epoch`: the one with the lowest number that is back, otherwise a fresh one, whose guard is made now.
    ///
    /// `Ok(None)` when all are out.
    pub(super) fn take(&mut self, epoch: u64) -> Result<Option<Stack>, Failure> {
        let index = match self.free.first() {
            Some(index) => {
                self.free.clear(index);
                if self.dirty.contains(index) {
                    self.dirty.clear(index);
                }
                index
            }
            None if self.issued < self.capacity => {
                let index = self.issued;
                self.make_guard(index)?;
                self.issued += 1;
                index
            }
            None => return Ok(None),
        };
        self.last_taken = epoch;
        let bounds = StackBounds::new(self.address(index), self.class, self.guard, index);
        // SAFETY: the bounds lie in this slab's mapping, which stays while the stack is out; the guard below was made when the
        // number was first issued and stays as long as the mapping; and no other `Stack` has this number, because it was
        // neither in `free` nor beyond `issued` while one existed.
        Ok(Some(unsafe { Stack::new(bounds) }))
    }

    /// Takes `stack` back, dirty.
    ///
    /// # Panics
    ///
    /// If the stack is not of this slab.
    pub(super) fn put(&mut self, stack: Stack) {
        let index = self.index(stack.bounds().limit());
        assert!(index < self.issued && !self.free.contains(index), "a stack came back that was not out");
        self.free.set(index);
        self.dirty.set(index);
    }

    /// Takes out neighbouring dirty stacks, at most `most` of them, to be discarded. [`Slab::finish_discard`] brings them back.
    pub(super) fn begin_discard(&mut self, most: usize) -> Option<Run> {
        let first = self.dirty.first()?;
        let mut end = first;
        while end < self.issued && end - first < most && self.dirty.contains(end) {
            self.dirty.clear(end);
            self.free.clear(end);
            end += 1;
        }
        Some(Run { stacks: first..end, addresses: self.address(first)..self.address(end) })
    }

    /// Brings the stacks of `run` back, clean.
    pub(super) fn finish_discard(&mut self, run: Run) {
        for index in run.stacks {
            self.free.set(index);
        }
    }

    fn make_guard(&mut self, index: usize) -> Result<(), Failure> {
        let start = self.address(index);
        let range = start..start + self.guard;
        if self.guards == Guards::Marker {
            // SAFETY: the range belongs to a fresh stack, so nothing lives there; afterwards it is the guard of that stack,
            // where nothing can live.
            match unsafe { self.mapping.install_guard(range.clone()) } {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
                    return Err(self.failure("madvise(MADV_GUARD_INSTALL)", error));
                }
                // An older kernel, locked memory (which may be locked at any time), a kernel that imitates Linux.
                Err(_) => self.guards = Guards::Protection,
            }
        }
        // SAFETY: as above.
        unsafe { self.mapping.protect(range) }.map_err(|error| self.failure("mprotect", error))
    }

    fn failure(&self, call: &'static str, error: io::Error) -> Failure {
        Failure { call, bytes: self.guard, error }
    }

    fn address(&self, index: usize) -> usize {
        self.mapping.range().start + index * self.class.size()
    }

    fn index(&self, address: usize) -> usize {
        let offset = address.checked_sub(self.mapping.range().start).expect("a stack of this slab");
        offset / self.class.size()
    }
}

impl Run {
    /// How many stacks there are.
    pub(super) fn len(&self) -> usize {
        self.stacks.len()
    }

    /// Gives their pages back to the kernel.
    pub(super) fn discard(&self) {
        // Locked memory cannot be given back. Then its pages stay, and nothing is wrong: a clean stack need not be zero.
        // SAFETY: the range was made by `begin_discard` from whole stacks that are neither free nor held as a `Stack`, so the
        // run is their only owner; their mapping stays because they count as out.
        let _ = unsafe { crate::sys::memory::discard(self.addresses.clone()) };
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if self.out() == 0 {
            // SAFETY: dropped here and nowhere else, and not used again.
            unsafe { ManuallyDrop::drop(&mut self.mapping) }
        }
    }
}

/// A set of small numbers that knows its size.
#[derive(Debug)]
struct Bits {
    words: Box<[u64]>,
    count: usize,
    /// No bit is set in the words before this one.
    low: usize,
}

impl Bits {
    fn new(capacity: usize) -> Self {
        Self { words: vec![0; capacity.div_ceil(64)].into(), count: 0, low: 0 }
    }

    fn contains(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: usize) {
        debug_assert!(!self.contains(index));
        self.words[index / 64] |= 1 << (index % 64);
        self.count += 1;
        self.low = self.low.min(index / 64);
    }

    fn clear(&mut self, index: usize) {
        debug_assert!(self.contains(index));
        self.words[index / 64] &= !(1 << (index % 64));
        self.count -= 1;
    }

    /// The lowest number in the set.
    fn first(&mut self) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        while self.words[self.low] == 0 {
            self.low += 1;
        }
        Some(self.low * 64 + self.words[self.low].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory;

    fn slab(capacity: usize, guards: Guards) -> Slab {
        let page = memory::page_size();
        Slab::map(SizeClass::DEFAULT, capacity, page, guards, None).unwrap()
    }

    fn take(slab: &mut Slab) -> Stack {
        slab.take(1).unwrap().expect("a stack")
    }

    #[test]
    fn stacks_lie_side_by_side_in_colours() {
        for guards in [Guards::Marker, Guards::Protection] {
            let mut slab = slab(20, guards);
            let start = slab.range().start;
            let stacks: Vec<_> = (0..20).map(|_| take(&mut slab)).collect();
            assert!(slab.take(1).unwrap().is_none());
            for (index, stack) in stacks.iter().enumerate() {
                assert_eq!(stack.bounds().limit(), start + index * stack.size());
                let top = stack.bounds().limit() + stack.size();
                assert_eq!(top - stack.bounds().base().get(), index % 16 * 64);
            }
            for stack in stacks {
                slab.put(stack);
            }
            assert_eq!((slab.out(), slab.clean(), slab.issued()), (0, 0, 20));
        }
    }

    #[test]
    fn the_lowest_number_comes_first() {
        let mut slab = slab(200, Guards::Marker);
        let mut stacks: Vec<_> = (0..150).map(|_| take(&mut slab)).collect();
        for index in [140, 3, 70] {
            slab.put(
                stacks.remove(stacks.iter().position(|stack| stack.bounds().limit() == slab.address(index)).unwrap()),
            );
        }
        let order: Vec<_> = (0..4)
            .map(|_| {
                let stack = take(&mut slab);
                let index = slab.index(stack.bounds().limit());
                stacks.push(stack);
                index
            })
            .collect();
        assert_eq!(order, [3, 70, 140, 150]);
    }

    #[test]
    fn neighbours_are_discarded_together() {
        let mut slab = slab(64, Guards::Marker);
        let stacks: Vec<_> = (0..64).map(|_| take(&mut slab)).collect();
        let mut kept = Vec::new();
        for (index, stack) in stacks.into_iter().enumerate() {
            if index == 10 { kept.push(stack) } else { slab.put(stack) }
        }
        let mut runs = Vec::new();
        while let Some(run) = slab.begin_discard(40) {
            run.discard();
            runs.push(run.stacks.clone());
            slab.finish_discard(run);
        }
        assert_eq!(runs, [0..10, 11..51, 51..64]);
        assert_eq!((slab.out(), slab.clean()), (1, 63));
        assert!(!slab.is_idle(2));
        slab.put(kept.pop().unwrap());
        let run = slab.begin_discard(40).unwrap();
        slab.finish_discard(run);
        assert!(slab.is_idle(2));
        assert!(!slab.is_idle(1));
    }

    #[test]
    fn a_slab_with_a_stack_out_is_never_unmapped() {
        let mut slab = slab(4, Guards::Marker);
        let stack = take(&mut slab);
        drop(slab);
        let top = stack.bounds().base().get() - 8;
        let top = std::ptr::with_exposed_provenance_mut::<u64>(top);
        // SAFETY: the stack is ours and mapped, which is what this test shows.
        unsafe { top.write_volatile(7) };
        // SAFETY: as above.
        assert_eq!(unsafe { top.read_volatile() }, 7);
    }

    #[test]
    fn the_first_bit_is_found_again_after_lower_ones_return() {
        let mut bits = Bits::new(300);
        assert_eq!(bits.first(), None);
        bits.set(299);
        assert_eq!(bits.first(), Some(299));
        bits.set(64);
        assert_eq!(bits.first(), Some(64));
        bits.clear(64);
        assert_eq!(bits.first(), Some(299));
        bits.clear(299);
        assert_eq!((bits.first(), bits.count), (None, 0));
    }
}
