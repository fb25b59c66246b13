//! Where a stack lies.

use std::ops::Range;

use corosensei::stack::StackPointer;

use super::class::SizeClass;

/// Guards are counted in the low bits of a stack's lowest address, in units of the smallest page that Linux has.
const GUARD_UNIT: usize = 4096;

/// Neighbouring stacks start at so many different distances from their top (see the picture in the module's documentation).
const COLOURS: usize = 16;

/// The distance between two colours: a cache line.
const COLOUR_STEP: usize = 64;

/// The addresses of a stack: a plain copy without ownership, for looking things up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackBounds {
    /// The coloured top.
    base: StackPointer,
    /// The lowest address of the guard, and in its low bits (which are zero in an address of a page) the length of the guard in
    /// units of [`GUARD_UNIT`].
    floor: usize,
}

impl StackBounds {
    /// The greatest guard that can be recorded.
    pub(super) const MAX_GUARD: usize = (GUARD_UNIT - 1) * GUARD_UNIT;

    /// The bounds of stack number `index` of a slab, which takes `class` bytes from `lowest` on, the first `guard` of them its guard.
    pub(super) fn new(lowest: usize, class: SizeClass, guard: usize, index: usize) -> Self {
        debug_assert!(lowest.is_multiple_of(GUARD_UNIT) && guard.is_multiple_of(GUARD_UNIT));
        debug_assert!(guard <= Self::MAX_GUARD && guard <= class.size() / 2);
        let base = lowest + class.size() - index % COLOURS * COLOUR_STEP;
        Self {
            base: StackPointer::new(base).expect("a mapping does not end at address zero"),
            floor: lowest | (guard / GUARD_UNIT),
        }
    }

    /// The highest address, where the first frame begins: the top less the stack's colour.
    #[inline]
    pub(crate) fn base(self) -> StackPointer {
        self.base
    }

    /// The lowest address, which is the guard's.
    #[inline]
    pub(crate) fn limit(self) -> usize {
        self.floor & !(GUARD_UNIT - 1)
    }

    /// The addresses of the guard below the usable part.
    #[inline]
    pub(crate) fn guard(self) -> Range<usize> {
        let limit = self.limit();
        limit..limit + self.floor % GUARD_UNIT * GUARD_UNIT
    }

    /// The addresses that frames may occupy.
    #[inline]
    pub(crate) fn usable(self) -> Range<usize> {
        self.guard().end..self.base.get()
    }

    /// The class the stack belongs to.
    #[inline]
    pub(crate) fn class(self) -> SizeClass {
        SizeClass::of_span(self.base.get() - self.limit())
    }

    /// The bytes of address space that the stack takes, guard and colour included: its class's size.
    #[inline]
    pub(crate) fn size(self) -> usize {
        self.class().size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_follows_from_the_two_words() {
        let lowest = 0x7000_0000_0000;
        for index in 0..64 {
            for shift in 0..SizeClass::COUNT {
                let class = SizeClass::at(shift);
                for guard in [4096, 8192, class.size() / 2] {
                    if guard > class.size() / 2 || guard > StackBounds::MAX_GUARD {
                        continue;
                    }
                    let bounds = StackBounds::new(lowest, class, guard, index);
                    assert_eq!(bounds.class(), class);
                    assert_eq!(bounds.size(), class.size());
                    assert_eq!(bounds.limit(), lowest);
                    assert_eq!(bounds.guard(), lowest..lowest + guard);
                    let base = lowest + class.size() - index % 16 * 64;
                    assert_eq!(bounds.usable(), lowest + guard..base);
                    assert_eq!(bounds.base().get(), base);
                    assert!(base.is_multiple_of(corosensei::stack::STACK_ALIGNMENT));
                }
            }
        }
    }
}
