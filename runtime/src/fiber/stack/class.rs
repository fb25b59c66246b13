//! The sizes that stacks come in.

use super::error::StackError;
use crate::sys::memory;

/// One of the sizes that stacks come in: a power of two from 16 KiB (or two pages, where those are larger) to 1 GiB.
///
/// The size is what a stack reserves of the address space, its guard included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SizeClass(
    /// The size's logarithm to base two.
    u8,
);

impl SizeClass {
    /// 256 KiB.
    pub(crate) const DEFAULT: Self = Self(18);

    const SMALLEST: Self = Self(14);
    const LARGEST: Self = Self(30);

    /// The number of classes, and one more than the greatest [`index`](Self::index).
    pub(super) const COUNT: usize = (Self::LARGEST.0 - Self::SMALLEST.0) as usize + 1;

    /// The smallest class that reserves `bytes`.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] for zero and [`StackError::TooLarge`] for more than 1 GiB.
    pub(crate) fn for_size(bytes: usize) -> Result<Self, StackError> {
        if bytes == 0 {
            return Err(StackError::TooSmall { requested: 0, minimum: Self::smallest().size() });
        }
        if bytes > Self::LARGEST.size() {
            return Err(StackError::TooLarge { requested: bytes, maximum: Self::LARGEST.size() });
        }
        Ok(Self::of_span(bytes).max(Self::smallest()))
    }

    /// The bytes of address space that a stack of this class takes, its guard included.
    #[inline]
    pub(crate) const fn size(self) -> usize {
        1 << self.0
    }

    /// The class of a stack whose lowest and highest address lie `bytes` apart: colouring takes less than half of it.
    #[inline]
    pub(super) const fn of_span(bytes: usize) -> Self {
        // The logarithm, rounded up; `next_power_of_two` takes twice the instructions.
        Self((usize::BITS - (bytes - 1).leading_zeros()) as u8)
    }

    /// The position of this class among all.
    #[inline]
    pub(super) const fn index(self) -> usize {
        (self.0 - Self::SMALLEST.0) as usize
    }

    /// The class at position `index`.
    pub(super) const fn at(index: usize) -> Self {
        assert!(index < Self::COUNT);
        Self(Self::SMALLEST.0 + index as u8)
    }

    /// How many stacks travel together between a worker and its pool, at most: 32, fewer where that would be more than 8 MiB.
    #[inline]
    pub(super) const fn batch(self) -> usize {
        clamp((8 << 20) >> self.0, 1, 32)
    }

    /// How many stacks stay mapped when none is used: 64, fewer where that would be more than 16 MiB.
    pub(super) const fn reserve(self) -> usize {
        clamp((16 << 20) >> self.0, 0, 64)
    }

    /// How many stacks the next mapping gets when `mapped` exist: as many as there are, so that the number doubles, between
    /// 32 and 4096 and within 1 GiB.
    pub(super) const fn slab_capacity(self, mapped: usize) -> usize {
        let within = clamp((1 << 30) >> self.0, 1, 4096);
        clamp(clamp(mapped, 32, 4096), 1, within)
    }

    fn smallest() -> Self {
        Self::of_span(2 * memory::page_size()).max(Self::SMALLEST)
    }
}

const fn clamp(value: usize, least: usize, most: usize) -> usize {
    if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        let smallest = SizeClass::smallest().size();
        assert_eq!(SizeClass::for_size(1).unwrap().size(), smallest);
        assert_eq!(SizeClass::for_size(256 << 10).unwrap(), SizeClass::DEFAULT);
        assert_eq!(SizeClass::for_size((256 << 10) + 1).unwrap().size(), 512 << 10);
        assert_eq!(SizeClass::for_size(1 << 30).unwrap().size(), 1 << 30);
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        assert!(matches!(SizeClass::for_size(0), Err(StackError::TooSmall { .. })));
        for size in [(1 << 30) + 1, usize::MAX] {
            assert!(matches!(SizeClass::for_size(size), Err(StackError::TooLarge { .. })));
        }
    }

    #[test]
    fn positions_and_classes_agree() {
        for index in 0..SizeClass::COUNT {
            assert_eq!(SizeClass::at(index).index(), index);
        }
        assert_eq!(SizeClass::at(SizeClass::COUNT - 1).size(), 1 << 30);
    }

    #[test]
    fn batches_and_mappings_stay_bounded() {
        let default = SizeClass::DEFAULT;
        assert_eq!((default.batch(), default.reserve()), (32, 64));
        let growth: Vec<_> = [0, 32, 64, 4096, 100_000].map(|mapped| default.slab_capacity(mapped)).into();
        assert_eq!(growth, [32, 32, 64, 4096, 4096]);
        let largest = SizeClass::at(SizeClass::COUNT - 1);
        assert_eq!((largest.batch(), largest.reserve(), largest.slab_capacity(0)), (1, 0, 1));
    }
}
