//! Memory of records, kept for the next ones.
//!
//! A spawn and an end are an allocation and a release of a small block. Each worker keeps released blocks of one size, last in
//! first out, so that a spawn usually costs no call of the allocator, and a batch of spawns does not make the allocator take
//! memory from the system and give it back. Records too large for the block come from the allocator, as all do on threads that
//! are no workers. A block may be released on another thread than it was taken on: all come from the global allocator.
//!
//! With the feature `migrate` neither is inlined: a caller may go on on another thread, and no address of this one's may stay with it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Room for a header and a closure of about a hundred bytes.
const BLOCK: Layout = match Layout::from_size_align(256, 16) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

/// Blocks that a worker keeps at most: one megabyte. Under AddressSanitizer none, so that it sees every use after release.
const KEPT: usize = if cfg!(feature = "sanitizer") { 0 } else { 4096 };

struct Free {
    next: *mut Free,
}

thread_local! {
    static FIRST: Cell<*mut Free> = const { Cell::new(ptr::null_mut()) };
    /// How many more may be kept; zero on threads that are no workers.
    static ROOM: Cell<usize> = const { Cell::new(0) };
    /// How many more blocks come from the allocator before it is asked to [`make_room`].
    static AHEAD: Cell<usize> = const { Cell::new(0) };
}

/// Keeps blocks on the calling thread, until dropped.
pub(crate) struct Keep(());

impl Keep {
    pub(crate) fn here() -> Keep {
        ROOM.set(KEPT);
        Keep(())
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        ROOM.set(0);
        let mut block = FIRST.replace(ptr::null_mut());
        while !block.is_null() {
            // SAFETY: kept blocks are free, and their first word was written by `release`.
            let next = unsafe { (*block).next };
            // SAFETY: kept blocks were allocated with this layout, and this one is in no list any more.
            unsafe { dealloc(block.cast(), BLOCK) };
            block = next;
        }
    }
}

/// Whether values of this layout get a block. The same for taking and releasing, as it depends on the layout alone.
const fn fits(layout: Layout) -> bool {
    layout.size() <= BLOCK.size() && layout.align() <= BLOCK.align()
}

/// Memory for a value of this layout, which is not of size zero.
#[cfg_attr(not(feature = "migrate"), inline)]
#[cfg_attr(feature = "migrate", inline(never))]
pub(super) fn take(layout: Layout) -> NonNull<u8> {
    let layout = if fits(layout) {
        let first = FIRST.get();
        if let Some(block) = NonNull::new(first) {
            // SAFETY: as in `Keep::drop`.
            FIRST.set(unsafe { (*first).next });
            ROOM.set(ROOM.get() + 1);
            return block.cast();
        }
        if ROOM.get() > 0 {
            match AHEAD.get() {
                0 => make_room(),
                ahead => AHEAD.set(ahead - 1),
            }
        }
        BLOCK
    } else {
        layout
    };
    // SAFETY: the layout is not of size zero.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Has the allocator take memory for the next blocks from the system in one piece.
///
/// glibc's grows the heap of a thread by what the call at hand lacks, in pages: a system call for each 15 blocks, which were half the cost of a
/// hundred thousand spawns. What it has got for a large piece it keeps when that is released, up to 128 KiB. Other allocators
/// lose nothing by it.
#[cold]
fn make_room() {
    const PIECE: Layout = match Layout::from_size_align(64 << 10, 16) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };
    // With what glibc's adds to each.
    AHEAD.set(PIECE.size() / (BLOCK.size() + 16));
    // SAFETY: the layout is not of size zero.
    let piece = unsafe { alloc(PIECE) };
    // Seen by nobody, the pair would be optimised away.
    let piece = std::hint::black_box(piece);
    if !piece.is_null() {
        // SAFETY: allocated just now, with this layout.
        unsafe { dealloc(piece, PIECE) };
    }
}

/// Gives memory back.
///
/// # Safety
///
/// It came from [`take`] with the same layout, and nobody uses it any more.
#[cfg_attr(not(feature = "migrate"), inline)]
#[cfg_attr(feature = "migrate", inline(never))]
pub(super) unsafe fn release(memory: NonNull<u8>, layout: Layout) {
    if !fits(layout) {
        // SAFETY: `take` allocated it with this layout.
        return unsafe { dealloc(memory.as_ptr(), layout) };
    }
    let room = ROOM.get();
    if room == 0 {
        // SAFETY: `take` allocated it with the block's layout.
        return unsafe { dealloc(memory.as_ptr(), BLOCK) };
    }
    ROOM.set(room - 1);
    let block = memory.as_ptr().cast::<Free>();
    // SAFETY: a block has room for the link and is aligned for it, and nobody else uses it.
    unsafe { block.write(Free { next: FIRST.get() }) };
    FIRST.set(block);
}

#[cfg(all(test, not(loom), not(feature = "sanitizer")))]
mod tests {
    use super::*;

    #[test]
    fn a_worker_gets_the_last_block_back() {
        std::thread::spawn(|| {
            let _keep = Keep::here();
            let (one, two) = (take(Layout::new::<[u64; 9]>()), take(Layout::new::<[u64; 20]>()));
            // SAFETY: taken just now.
            unsafe { release(one, Layout::new::<[u64; 9]>()) };
            assert_eq!(take(Layout::new::<[u64; 32]>()), one);
            // SAFETY: taken just now.
            unsafe { release(one, Layout::new::<[u64; 32]>()) };
            // SAFETY: taken just now.
            unsafe { release(two, Layout::new::<[u64; 20]>()) };
        })
        .join()
        .unwrap();
    }

    #[test]
    fn room_is_made_for_many_blocks_at_once() {
        std::thread::spawn(|| {
            let take = || take(Layout::new::<u64>());
            let elsewhere = take();
            assert_eq!(AHEAD.get(), 0, "on a thread that is no worker");
            let _keep = Keep::here();
            let first = take();
            let ahead = AHEAD.get();
            assert!(ahead > 100, "{ahead}");
            let second = take();
            assert_eq!(AHEAD.get(), ahead - 1);
            for block in [elsewhere, first, second] {
                // SAFETY: taken above.
                unsafe { release(block, Layout::new::<u64>()) };
            }
            let kept = take();
            assert_eq!(AHEAD.get(), ahead - 1, "it was there");
            // SAFETY: taken just now.
            unsafe { release(kept, Layout::new::<u64>()) };
        })
        .join()
        .unwrap();
    }

    #[test]
    fn other_threads_keep_nothing() {
        std::thread::spawn(|| {
            let layout = Layout::new::<u64>();
            let block = take(layout);
            // SAFETY: taken just now.
            unsafe { release(block, layout) };
            assert!(FIRST.get().is_null());
        })
        .join()
        .unwrap();
    }
}
