//! Taking and giving back stacks, without fibers on them.

mod common;

use common::{Run, busy_each, machine};
use fiber::internals::Stacks;
use std::hint::black_box;
use std::ptr;

const SIZE: usize = 256 * 1024;

/// Takes `depth` stacks and gives them back, `times` times.
fn take_and_give(stacks: &mut Stacks, depth: usize, times: usize) -> f64 {
    let mut taken = Vec::with_capacity(depth);
    busy_each(depth * times, || {
        for _ in 0..times {
            taken.extend((0..depth).map(|_| black_box(stacks.take(SIZE))));
            while let Some(stack) = taken.pop() {
                stacks.give(stack);
            }
        }
    })
}

/// Maps as much as a stack takes, with a guard, and unmaps it: what a stack costs without a pool.
fn map_and_unmap(times: usize) -> f64 {
    busy_each(times, || {
        for _ in 0..times {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a new mapping, where nothing was; its first page is protected and all of it unmapped again.
            unsafe {
                let start = libc::mmap(ptr::null_mut(), SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
                assert!(start != libc::MAP_FAILED);
                assert_eq!(libc::mprotect(start, 4096, libc::PROT_NONE), 0);
                assert_eq!(libc::munmap(start, SIZE), 0);
            }
        }
    })
}

fn main() {
    let run = Run::start("stacks: take one, give it back");
    machine::on_one(|| {
        let takes = run.pick(1_000_000, 4096);
        let mut stacks = Stacks::new();
        let mut more = Stacks::new();
        run.compare(
            "take and give",
            "ns",
            11,
            &mut [
                ("one after the other: the magazine", &mut || take_and_give(&mut stacks, 1, takes)),
                ("1024 at once: through the depot", &mut || take_and_give(&mut more, 1024, takes / 1024)),
                ("the first 1024 of a pool: mapped, guarded", &mut || take_and_give(&mut Stacks::new(), 1024, 1)),
                ("mmap, mprotect, munmap", &mut || map_and_unmap(run.pick(10_000, 100))),
            ],
        );
    });
}
