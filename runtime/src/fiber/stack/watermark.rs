//! How deep a stack was used.
//!
//! A fresh page is zero, so the deepest byte that was ever written is the lowest one that is not. That is cheap to look for
//! (most pages were never touched, and the kernel knows which) but only means something from a clean start: stacks are
//! reused with the traces of earlier fibers on them. Hence opt-in, for tasks whose depth someone wants to know: [`reset`] before
//! the fiber starts, which costs a system call and the page faults of a fresh stack, and [`high_water`] when it has ended.
//!
//! What is reported is what was *written*. A frame that reserves a large buffer and writes only its beginning may reach
//! deeper; so leave room above the mark. Pages that were swapped out do not count either.

use std::io;
use std::ptr;

use super::Stack;
use crate::sys::memory;

/// Forgets how deep `stack` was used, by giving all its pages back.
///
/// # Errors
///
/// `EINVAL` where the process has its memory locked; then the mark stays as it was.
pub(crate) fn reset(stack: &mut Stack) -> io::Result<()> {
    // With the colour, up to the page boundary.
    let usable = stack.guard().end..stack.bounds().limit() + stack.size();
    // SAFETY: the memory is mapped and belongs to the stack, which is borrowed exclusively here, so no coroutine runs on it and no
    // frame lives there.
    unsafe { memory::discard(usable) }
}

/// The bytes of `stack` used so far: from its base down to the deepest byte that is not zero; 0 if none is.
pub(crate) fn high_water(stack: &Stack) -> usize {
    let page = memory::page_size();
    let usable = stack.usable();
    let mut resident = [0; 256];
    let mut start = usable.start;
    while start < usable.end {
        let pages = resident.len().min((usable.end - start).div_ceil(page));
        if memory::resident(start, &mut resident[..pages]).is_err() {
            return 0;
        }
        for (number, state) in resident[..pages].iter().enumerate() {
            let from = start + number * page;
            if state & 1 == 1
                && let Some(deepest) = first_nonzero(from, usable.end.min(from + page))
            {
                return usable.end - deepest;
            }
        }
        start += pages * page;
    }
    0
}

/// The address of the first word from `start` to `end` that is not zero.
fn first_nonzero(start: usize, end: usize) -> Option<usize> {
    (start..end).step_by(size_of::<usize>()).find(|&address| {
        let word = ptr::with_exposed_provenance::<usize>(address);
        // SAFETY: the word lies in the usable part of a stack (the only caller sees to that), which stays mapped and readable while
        // its `Stack` is borrowed. A stack with a coroutine on it is owned by the coroutine, so nobody writes meanwhile.
        unsafe { word.read_volatile() != 0 }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fiber::stack::{SizeClass, StackCache, StackConfig, StackPool, child};

    fn write(address: usize) {
        // SAFETY: the tests write only inside the usable part of stacks that they own.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) }
    }

    fn stack(class: usize) -> Stack {
        let pool = Arc::new(StackPool::new(None, &StackConfig::default()));
        StackCache::new(pool).take(SizeClass::for_size(class).unwrap()).unwrap()
    }

    #[test]
    fn the_deepest_write_is_the_mark() {
        let mut stack = stack(8 << 20);
        assert_eq!(high_water(&stack), 0);
        let base = stack.usable().end;
        for depth in [8, 100 * 8, 70_000, 5 << 20] {
            write(base - depth);
            assert_eq!(high_water(&stack), depth);
        }
        // The mark never falls by itself, and a shallower write does not move it.
        write(base - 16);
        assert_eq!(high_water(&stack), 5 << 20);
        reset(&mut stack).unwrap();
        assert_eq!(high_water(&stack), 0);
        write(stack.usable().start);
        assert_eq!(high_water(&stack), stack.usable().len());
    }

    #[test]
    fn pages_that_were_only_read_do_not_count() {
        let stack = stack(256 << 10);
        let low = stack.usable().start;
        assert_eq!(first_nonzero(low, low + 64), None);
        write(stack.usable().end - 8);
        assert_eq!(high_water(&stack), 8);
    }

    #[test]
    fn a_coroutine_leaves_its_mark() {
        if child::under_sanitizer() {
            return;
        }
        #[inline(never)]
        fn deep(bytes: usize) {
            let buffer = [1u8; 4096];
            std::hint::black_box(&buffer);
            if bytes > buffer.len() {
                deep(bytes - buffer.len());
            }
            std::hint::black_box(&buffer);
        }
        let used = |bytes| {
            let mut stack = stack(1 << 20);
            reset(&mut stack).unwrap();
            let mut coroutine = corosensei::Coroutine::<(), (), (), Stack>::with_stack(stack, move |_, ()| deep(bytes));
            assert!(coroutine.resume(()).as_return().is_some());
            high_water(&coroutine.into_stack())
        };
        let (shallow, deep) = (used(4096), used(400 * 1024));
        assert!((4096..64 * 1024).contains(&shallow), "{shallow}");
        assert!((400 * 1024..1 << 20).contains(&deep), "{deep}");
    }
}
