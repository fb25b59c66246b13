//! The timers of one worker: a hierarchical timing wheel.
//!
//! Insert and cancel are O(1); expiring costs each timer at most one move per level of the wheel (in
//! practice one or two) and its firing, however far time has jumped. The structure is the hierarchical wheel of G.
//! Varghese and T. Lauck, *Hashed and Hierarchical Timing Wheels* (SOSP 1987), scheme 7, with one occupancy word per
//! level so that empty stretches of time cost nothing, and with exact deadlines kept beside the ticks.
//!
//! # Time
//!
//! Times are nanoseconds of whatever clock the caller uses. A *tick* is 1024 ns: `ns >> 10`, a shift where a
//! microsecond would be a division. Ticks decide only where a timer is kept and in which order timers fire; *whether* one
//! fires is decided by its exact deadline, so a timer never fires early, and an `expire` at or after its deadline always
//! fires it.
//!
//! Order: by tick, and within a tick by insertion. A deadline that is already past when it is inserted counts as the
//! time of the last `expire` (or of `new`). [`NEVER`] is a deadline that does not come.
//!
//! # Layout
//!
//! ```text
//! tick (54 bits):  [ digit 8 ][ digit 7 ] ...  [ digit 1 ][ digit 0 ]      six bits each
//!                                                  |           |
//! level 0: 64 slots of 1 tick  (66 us together) <--+-----------+   each level: 64 slots + one occupancy word
//! level 1: 64 slots of 64 ticks    (4.2 ms) <------+
//! ...
//! level 8: 64 slots of 9 years     (584 years: the whole range of a u64, so there is no overflow list)
//! ```
//!
//! A slot is the head and the tail of a list of entries. Entries live in one dense slab and are linked by 32-bit
//! index; freed ones are reused last in, first out. The slab keeps its largest size: its generations are what makes an
//! old [`TimerKey`] harmless.
//!
//! What is not needed to move a timer lies in a second slab: its load. Moving follows a list from one entry to the next, and waits for
//! each to come from memory; with 16 bytes an entry those of a hundred thousand timers fit a cache of the processor. With 48 a move took
//! half as long again (530 against 340 ns for the three moves of a timer, of 100,000 spread over a second).
//!
//! # The invariant
//!
//! A timer of tick `t` is in the slot of level `l` whose number is digit `l` of `t`, where `l` is the highest digit in
//! which `t` differs from the *current tick* (level 0 if they are equal). It follows that
//!
//! - a level holds only slots that lie ahead in its own current round, so the first occupied slot of the lowest occupied
//!   level is the earliest of all: two bit scans find it;
//! - a timer's slot can be computed from its deadline, so entries need not store it;
//! - two timers of the same tick are always in the same slot, and appending keeps the order of insertion.
//!
//! Time enters a slot (the current tick reaches its first tick) only in [`Timers::expire`], which at that moment
//! *cascades* it: every timer of it moves to its place on a lower level, in order. All slots below are empty then, so
//! nothing overtakes. Slots are entered in order of time, each by one jump.
//!
//! A cascade is not interrupted, and nothing fires meanwhile. With 100,000 timers spread over a second the longest is that of a slot of 268 ms: 27,000
//! timers in 0.25 to 0.6 ms, four times in the second (`fiber-bench timers`, a virtual machine). It grows with how many timers a quarter of a second
//! has.
//!
//! # Rejected
//!
//! - A binary heap: logarithmic, and cancelling (what nearly every timeout ends in) needs either a position index that
//!   each sift updates, or dead entries that stay until their deadline.
//! - A single wheel (schemes 4 and 6 of the paper): ticks of a microsecond make either the wheel or the rounds huge.
//! - Rounding deadlines to ticks: it fires late by up to a tick, and a worker that wakes at the deadline itself
//!   finds nothing due and spins for the rest of the tick.

use crate::sys::prefetch::prefetch;
use std::num::NonZeroU32;
use std::ptr;

/// The deadline that never comes: such a timer is counted and can be cancelled, but does not fire and wakes nobody.
pub(crate) const NEVER: u64 = u64::MAX;

/// A tick is `1 << TICK_SHIFT` nanoseconds.
const TICK_SHIFT: u32 = 10;
/// Bits of the tick that one level decides: a level's slots fit one occupancy word.
const LEVEL_BITS: u32 = 6;
const SLOTS_PER_LEVEL: usize = 1 << LEVEL_BITS;
/// Enough levels for every tick of a `u64` of nanoseconds.
const LEVELS: usize = (u64::BITS - TICK_SHIFT).div_ceil(LEVEL_BITS) as usize;
/// No entry: the end of a list.
const NIL: u32 = u32::MAX;
/// How many entries [`Timers::next_deadline`] looks at before it settles for a lower bound.
const SCAN_LIMIT: usize = 16;

/// Names one inserted timer, until it has fired or was cancelled; after that it names nothing.
///
/// `Option<TimerKey>` is 8 bytes too. An old key would name a newer timer only after 2^31 timers have come and gone in
/// the same entry of the slab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimerKey {
    index: u32,
    generation: NonZeroU32,
}

/// One timer, or a free place for one.
#[derive(Clone, Copy)]
struct Entry {
    /// Not before the worker's time at insertion (see the module documentation); [`NEVER`] entries are in no list.
    deadline: u64,
    /// The neighbour that fires before this one in the same slot, or [`NIL`].
    prev: u32,
    /// The neighbour that fires after this one in the same slot, or [`NIL`]; the next free entry in a free one.
    next: u32,
}

/// What an entry carries.
#[derive(Clone, Copy)]
struct Load<T> {
    /// What to hand to `fire`; stale in a free entry.
    payload: T,
    /// Odd while the entry holds a timer; one more with each insertion and each removal.
    generation: u32,
}

/// The list of the timers of one span of ticks, in order of insertion.
#[derive(Clone, Copy)]
struct Slot {
    head: u32,
    tail: u32,
    /// At most the deadline of every timer in the list; exact until the timer that it came from is cancelled.
    /// Meaningless while the list is empty.
    earliest: u64,
}

/// One digit of the tick.
struct Level {
    /// Bit `s` is set exactly while slot `s` has timers.
    occupied: u64,
    slots: [Slot; SLOTS_PER_LEVEL],
}

/// The timers of one worker. `T` is what the worker needs to know to wake the right wait.
pub(crate) struct Timers<T> {
    entries: Vec<Entry>,
    /// Of each entry.
    loads: Vec<Load<T>>,
    /// The first free entry, or [`NIL`].
    free: u32,
    len: usize,
    /// How far time has come: the largest time that `new` or `expire` was told. Its tick is the current tick of the
    /// invariant.
    now: u64,
    /// Bit `l` is set exactly while some slot of level `l` has timers.
    occupied_levels: u32,
    levels: Box<[Level; LEVELS]>,
}

impl<T: Copy> Timers<T> {
    /// An empty wheel whose time starts at `now_ns` nanoseconds.
    pub(crate) fn new(now_ns: u64) -> Self {
        const EMPTY_SLOT: Slot = Slot { head: NIL, tail: NIL, earliest: NEVER };
        const EMPTY_LEVEL: Level = Level { occupied: 0, slots: [EMPTY_SLOT; SLOTS_PER_LEVEL] };
        Timers {
            entries: Vec::new(),
            loads: Vec::new(),
            free: NIL,
            len: 0,
            now: now_ns.min(NEVER - 1),
            occupied_levels: 0,
            levels: Box::new([EMPTY_LEVEL; LEVELS]),
        }
    }

    /// Starts a timer that fires with `payload` at the first [`expire`](Self::expire) whose time is `deadline_ns` or
    /// later; at the next one if that time is past already; not at all if it is [`NEVER`].
    ///
    /// # Panics
    ///
    /// If 2^32 - 1 timers are running.
    #[inline]
    pub(crate) fn insert(&mut self, deadline_ns: u64, payload: T) -> TimerKey {
        let deadline = deadline_ns.max(self.now);
        let index = self.free;
        let (index, generation) = if let Some(entry) = self.entries.get_mut(index as usize) {
            self.free = entry.next;
            entry.deadline = deadline;
            let load = &mut self.loads[index as usize];
            load.generation = load.generation.wrapping_add(1);
            load.payload = payload;
            (index, load.generation)
        } else {
            (self.grow(deadline, payload), 1)
        };
        self.len += 1;
        if deadline != NEVER {
            self.append(index, deadline);
        }
        // The generation is odd: this only tells the compiler.
        TimerKey { index, generation: NonZeroU32::MIN | generation }
    }

    /// Stops the timer `key` and returns its payload, or `None` if it has fired or was cancelled before.
    #[inline]
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        if self.loads.get(key.index as usize)?.generation != key.generation.get() {
            return None;
        }
        if self.entries[key.index as usize].deadline != NEVER {
            self.unlink(key.index);
        }
        Some(self.release(key.index))
    }

    /// When the next timer is due: a time to wake at. `None` if there is nothing to wake for.
    ///
    /// Never later than the earliest deadline. It is exactly that deadline unless more than 16 timers share the
    /// earliest slot and the earliest of them was cancelled; then it is the cancelled one's deadline, and an
    /// `expire` at that time makes it exact again.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let (level, number) = self.earliest_slot()?;
        let slot = &self.levels[level].slots[number];
        let mut exact = NEVER;
        let mut index = slot.head;
        for _ in 0..SCAN_LIMIT {
            let entry = &self.entries[index as usize];
            exact = exact.min(entry.deadline);
            // The bound is reached, or every entry was seen.
            if exact == slot.earliest || entry.next == NIL {
                return Some(exact);
            }
            index = entry.next;
        }
        Some(slot.earliest)
    }

    /// Lets time come to `now_ns` and calls `fire` with the payload of each timer that is due, in order (see the module
    /// documentation). Time does not go back: an earlier `now_ns` than before counts as the one before.
    ///
    /// A timer is gone before `fire` is called for it. If `fire` panics, the timers not yet fired stay and fire at
    /// the next call.
    #[inline]
    pub(crate) fn expire(&mut self, now_ns: u64, mut fire: impl FnMut(T)) {
        // Short of `NEVER`, or every deadline after that would be one.
        let now = now_ns.clamp(self.now, NEVER - 1);
        let current = now >> TICK_SHIFT;
        while let Some((level, number)) = self.earliest_slot() {
            let shift = level as u32 * LEVEL_BITS;
            let round = (self.now >> TICK_SHIFT >> shift) & !(SLOTS_PER_LEVEL as u64 - 1);
            let start = (round | number as u64) << shift;
            if start > current {
                break;
            }
            self.now = self.now.max(start << TICK_SHIFT);
            if level > 0 {
                self.cascade(level, number);
            } else if start < current {
                while self.levels[0].occupied & (1 << number) != 0 {
                    let index = self.levels[0].slots[number].head;
                    self.unlink(index);
                    fire(self.release(index));
                }
            } else {
                self.fire_due(number, now, &mut fire);
                break;
            }
        }
        self.now = now;
    }

    /// How many timers are running, those that [`NEVER`] fire included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is running.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fires those timers of the slot of the current tick whose deadline has come; the others' comes within it.
    fn fire_due(&mut self, number: usize, now: u64, fire: &mut impl FnMut(T)) {
        let slot = self.levels[0].slots[number];
        if slot.earliest > now {
            return;
        }
        let mut left = NEVER;
        let mut index = slot.head;
        while index != NIL {
            let Entry { deadline, next, .. } = self.entries[index as usize];
            if deadline <= now {
                self.unlink(index);
                fire(self.release(index));
            } else {
                left = left.min(deadline);
            }
            index = next;
        }
        self.levels[0].slots[number].earliest = left;
    }

    /// Moves every timer of a slot that time has just entered to its place on a lower level.
    fn cascade(&mut self, level: usize, number: usize) {
        let mut index = self.levels[level].slots[number].head;
        self.clear(level, number);
        while index != NIL {
            let Entry { deadline, next, .. } = self.entries[index as usize];
            self.append(index, deadline);
            if level == 1 {
                // Read when it is fired, within the next 66 us of its time.
                prefetch(ptr::from_ref(&self.loads[index as usize]).addr());
            }
            index = next;
        }
    }

    /// The level and the number of the slot with the earliest timers.
    #[inline]
    fn earliest_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied_levels.trailing_zeros() as usize;
        let occupied = self.levels.get(level)?.occupied;
        Some((level, occupied.trailing_zeros() as usize))
    }

    /// The level and the number of the slot for `deadline`: the invariant of the module documentation.
    #[inline]
    fn place(&self, deadline: u64) -> (usize, usize) {
        let tick = deadline >> TICK_SHIFT;
        let differs = tick ^ (self.now >> TICK_SHIFT);
        // The low digit is made to differ, so that an equal tick gives level 0.
        let highest = (differs | (SLOTS_PER_LEVEL as u64 - 1)).ilog2();
        let level = highest / LEVEL_BITS;
        let number = (tick >> (level * LEVEL_BITS)) as usize % SLOTS_PER_LEVEL;
        (level as usize, number)
    }

    /// Links an entry to the end of its slot's list.
    #[inline]
    fn append(&mut self, index: u32, deadline: u64) {
        let (level, number) = self.place(deadline);
        self.occupied_levels |= 1 << level;
        let level = &mut self.levels[level];
        let slot = &mut level.slots[number];
        let tail = if level.occupied & (1 << number) == 0 {
            level.occupied |= 1 << number;
            *slot = Slot { head: index, tail: index, earliest: deadline };
            NIL
        } else {
            slot.earliest = slot.earliest.min(deadline);
            std::mem::replace(&mut slot.tail, index)
        };
        if let Some(before) = self.entries.get_mut(tail as usize) {
            before.next = index;
        }
        let entry = &mut self.entries[index as usize];
        entry.prev = tail;
        entry.next = NIL;
    }

    /// Takes an entry out of its slot's list.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let Entry { deadline, prev, next, .. } = self.entries[index as usize];
        if let Some(before) = self.entries.get_mut(prev as usize) {
            before.next = next;
        }
        if let Some(after) = self.entries.get_mut(next as usize) {
            after.prev = prev;
        }
        // The middle of a list is the business of the neighbours alone.
        if prev == NIL || next == NIL {
            let (level, number) = self.place(deadline);
            if prev == next {
                self.clear(level, number);
            } else if prev == NIL {
                self.levels[level].slots[number].head = next;
            } else {
                self.levels[level].slots[number].tail = prev;
            }
        }
    }

    /// Marks a slot as empty.
    #[inline]
    fn clear(&mut self, level: usize, number: usize) {
        let word = &mut self.levels[level].occupied;
        *word &= !(1 << number);
        if *word == 0 {
            self.occupied_levels &= !(1 << level);
        }
    }

    /// Frees an entry that is in no list, and returns its payload.
    #[inline]
    fn release(&mut self, index: u32) -> T {
        self.entries[index as usize].next = self.free;
        self.free = index;
        self.len -= 1;
        let load = &mut self.loads[index as usize];
        load.generation = load.generation.wrapping_add(1);
        load.payload
    }

    /// Adds an entry, of generation 1, to the slab.
    #[cold]
    fn grow(&mut self, deadline: u64, payload: T) -> u32 {
        let index = u32::try_from(self.entries.len()).ok().filter(|&index| index != NIL);
        let index = index.expect("a worker has 2^32 - 1 timers running and cannot start another");
        self.entries.push(Entry { deadline, prev: NIL, next: NIL });
        self.loads.push(Load { payload, generation: 1 });
        index
    }
}

#[cfg(test)]
mod tests;
