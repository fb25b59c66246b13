//! Where the slots of one worker are.
//!
//! Slots lie in chunks that double in size and stay where they are, so that an observer finds them all by a few pointers. A chunk is
//! memory that was asked for and not written to: its slots are made [`PIECE`] at a time, when the worker needs more. All at once they were
//! the longest pause that a worker made: the chunk of 65,536, which a worker with so many fibers comes to need, took 6 ms, nearly all of it the
//! kernel's, for the first touches of 2000 pages (a virtual machine), while fibers waited whose sleep was over. And memory that no fiber has
//! needed is not taken.

use super::{Observed, Slot, SlotInfo};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicUsize};

/// The slots of one worker.
pub(crate) struct SlotSlab {
    chunks: [AtomicPtr<Chunk>; CHUNKS],
}

const CHUNKS: usize = 26;
const FIRST_CHUNK: usize = 64;

/// Slots that are made together: a page of them. Chunks are multiples of it.
const PIECE: usize = 64;

/// Memory for slots and for what is known of them, leaked.
struct Chunk {
    slots: NonNull<Slot>,
    infos: NonNull<SlotInfo>,
    /// How many there is room for.
    len: usize,
    /// How many are made, the first ones. Changed by the worker that owns the slab.
    made: AtomicUsize,
}

/// A slot that is not taken, with its information.
pub(crate) type FreeSlot = (NonNull<Slot>, NonNull<SlotInfo>);

impl Chunk {
    fn new(len: usize) -> Chunk {
        let slots = NonNull::from(Box::leak(Box::<[Slot]>::new_uninit_slice(len)));
        let infos = NonNull::from(Box::leak(Box::<[SlotInfo]>::new_uninit_slice(len)));
        Chunk { slots: slots.cast(), infos: infos.cast(), len, made: AtomicUsize::new(0) }
    }

    /// Makes the next slots, if there is room for more, and adds them to `free`, the first of them last. By the worker that owns the slab.
    fn make(&self, free: &mut Vec<FreeSlot>) -> bool {
        let made = self.made.load(Relaxed);
        let more = PIECE.min(self.len - made);
        for index in made..made + more {
            // SAFETY: the memory is there for `len` of each. Nobody else writes to it, and nobody reads what `made` does not count.
            unsafe {
                self.slots.add(index).write(Slot::new());
                self.infos.add(index).write(SlotInfo::new());
            }
        }
        self.made.store(made + more, Release);
        free.extend(self.pairs().skip(made).rev());
        more > 0
    }

    /// What is made.
    fn slots(&self) -> &[Slot] {
        // SAFETY: so many are made, before `made` said so, and stay for ever; all that changes in them may change behind a reference.
        unsafe { slice::from_raw_parts(self.slots.as_ptr(), self.made.load(Acquire)) }
    }

    /// Of each slot that is made.
    fn infos(&self) -> &[SlotInfo] {
        // SAFETY: as for the slots.
        unsafe { slice::from_raw_parts(self.infos.as_ptr(), self.made.load(Acquire)) }
    }

    fn pairs(&self) -> impl ExactSizeIterator<Item = FreeSlot> + DoubleEndedIterator {
        self.slots().iter().zip(self.infos()).map(|(slot, info)| (NonNull::from(slot), NonNull::from(info)))
    }
}

impl SlotSlab {
    pub(crate) const fn new() -> SlotSlab {
        SlotSlab { chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS] }
    }

    /// All the slots that are made, to fill an empty free list when a worker takes the slab over.
    pub(crate) fn all(&self, free: &mut Vec<FreeSlot>) {
        for chunk in self.chunks().collect::<Vec<_>>().into_iter().rev() {
            free.extend(chunk.pairs().rev());
        }
    }

    /// Makes more slots. Called by the worker that owns the slab, when its free list is empty.
    #[cold]
    pub(crate) fn grow(&self, free: &mut Vec<FreeSlot>) {
        // All chunks but the last are full.
        if self.chunks().last().is_some_and(|last| last.make(free)) {
            return;
        }
        let index = self.chunks().count();
        assert!(index < CHUNKS, "a worker holds at most 4 billion fibers");
        let chunk = Box::leak(Box::new(Chunk::new(FIRST_CHUNK << index)));
        chunk.make(free);
        self.chunks[index].store(chunk, Release);
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().map_while(|chunk| {
            // SAFETY: chunks are leaked when they are published and never taken back.
            unsafe { chunk.load(Acquire).as_ref() }
        })
    }

    /// The fibers that are in the slab, each as it was at some moment of the call. From any thread.
    pub(crate) fn observe(&self) -> Vec<Observed> {
        let pairs = self.chunks().flat_map(|chunk| chunk.slots().iter().zip(chunk.infos()));
        pairs.filter_map(|(slot, info)| info.observe(slot)).collect()
    }

    /// The fiber in this slot of the slab, as it was at some moment of the call. From any thread.
    pub(crate) fn observe_one(&self, slot: *const Slot) -> Option<Observed> {
        self.chunks().find_map(|chunk| {
            let index = slot.addr().checked_sub(chunk.slots.addr().get())? / size_of::<Slot>();
            chunk.infos().get(index)?.observe(chunk.slots().get(index)?)
        })
    }

    /// The taken slots whose fibers stay. Called by the worker that owns the slab.
    pub(crate) fn for_each_taken(&self, mut f: impl FnMut(&Slot)) {
        for chunk in self.chunks() {
            for (slot, info) in chunk.slots().iter().zip(chunk.infos()) {
                // One that moves may end elsewhere at this moment.
                if info.id.load(Relaxed) != 0 && !slot.roams() {
                    f(slot);
                }
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slots_are_made_a_few_at_a_time_and_stay() {
        let slab = SlotSlab::new();
        let (mut all, mut free) = (Vec::new(), Vec::new());
        for times in 1..=40 {
            slab.grow(&mut free);
            assert_eq!(free.len(), PIECE, "however large the chunk is");
            assert!(free.windows(2).all(|pair| pair[0].0 > pair[1].0), "taken from the end, they come in order");
            all.append(&mut free);
            slab.all(&mut free);
            let known: BTreeSet<_> = free.drain(..).collect();
            assert_eq!(known, all.iter().copied().collect(), "no slot has moved");
            assert_eq!(known.len(), times * PIECE, "none is there twice");
        }
        assert_eq!(slab.chunks().count(), 6, "64, 128, ... 2048");
        assert!(slab.observe().is_empty());
        assert!(all.iter().all(|(slot, _)| slab.observe_one(slot.as_ptr()).is_none()));
    }

    #[test]
    fn what_is_not_made_is_not_looked_at() {
        let slab = SlotSlab::new();
        let mut free = Vec::new();
        // The chunk has room for 128.
        (0..2).for_each(|_| slab.grow(&mut free));
        let beyond = free.iter().map(|(slot, _)| slot.as_ptr()).max().unwrap().wrapping_add(1);
        assert!(slab.observe_one(beyond).is_none());
        slab.for_each_taken(|_| panic!("no fiber is here"));
    }
}
