//! The switch: one suspended or finished flow of control on a stack of its own.
//!
//! There are two engines behind one interface, [`Context`]:
//!
//! - `jump`, our own, for x86-64 and AArch64: it enters and leaves a fiber by an indirect jump.
//! - `call`, which is corosensei: it enters by a call and leaves by a return. It serves every other architecture, builds with the
//!   feature `sanitizer` (it tells AddressSanitizer of every switch), and whoever asks for it by the feature `corosensei-switch`.
//!
//! Coroutines on top of fibers and threads, [`nested`](super::nested), are corosensei's on every machine.
//!
//! # Why jumps
//!
//! A processor predicts a return from a stack of its own, on which each call pushes. A call that enters a fiber and a return that
//! leaves it keep that stack in step only if the fiber suspends in the very function that was entered. Ours suspend inside functions
//! (`yield_now`, a receive, a read): the return of the switch then takes the place of the return of that function, both are predicted
//! wrong, and a wrong return waits for the return address to come from the fiber's stack, which is cold when fibers are many. A jump
//! leaves the processor's stack alone: two fibers that suspend at the same depth, as most do, find it as they need it.
//!
//! # What both promise
//!
//! - The registers that the calling convention has a function preserve are as they were when [`suspend`](Context::suspend) and
//!   [`resume`](Context::resume) return.
//! - The control words of the floating-point units (rounding, masked exceptions: MXCSR, the x87 control word, FPCR) are *not*
//!   switched. The calling convention has them preserved by functions, too, but they have to have their default values whenever Rust
//!   code runs (`core::arch`, `_mm_setcsr`): code that changes them puts them back before it returns to Rust, so no fiber can suspend
//!   with others. Saving them all the same would cost a yield a third more.
//! - Backtraces, unwinding, debuggers and profilers that follow frame pointers go on, at the fiber's first frame, with the worker
//!   that resumed the fiber. A panic ends at the fiber's body at the latest, which catches all; one that it let out would end the
//!   process there.
//! - Shadow stacks (x86 CET, AArch64 GCS) are not switched: with one, the first return of another fiber would be a fault. The kernel
//!   gives them to programs all of whose objects say that they can do with them, and objects made by rustc do not.
//!
//! Under Valgrind both behave alike. It takes a change of the stack pointer by more than 2 MB for a switch, and a lesser one for a call or
//! a return; stacks of fibers may lie nearer to those of threads. With `--max-stackframe=40000` it takes all of them for what they are:
//! its memcheck then has nothing to say about the tests of this module.

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(feature = "sanitizer", feature = "corosensei-switch"))
)))]
mod call;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(feature = "sanitizer", feature = "corosensei-switch"))
))]
mod jump;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(feature = "sanitizer", feature = "corosensei-switch"))
)))]
pub(crate) use call::Context;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(feature = "sanitizer", feature = "corosensei-switch"))
))]
pub(crate) use jump::Context;

use super::stack::{Stack, StackBounds};
use corosensei::Coroutine;

/// The stack of a flow of control of corosensei's that has ended, whose bounds are `bounds`.
///
/// # Safety
///
/// `ended` was made with a stack of these bounds, and is forgotten after this call, not dropped.
#[inline]
pub(super) unsafe fn reclaim<In, Out, R>(ended: &mut Coroutine<In, Out, R, Stack>, bounds: StackBounds) -> Stack {
    debug_assert!(ended.done());
    if cfg!(feature = "sanitizer") {
        // Lifts the poison that the frames left.
        // SAFETY: the caller forgets the original.
        return unsafe { std::ptr::read(ended) }.into_stack();
    }
    // The bounds rather than the stack out of the coroutine: moving the coroutine right after it wrote its last word waits
    // for the store (13 ns of the 20 of a create-run-drop).
    // SAFETY: the stack in the coroutine is forgotten, so this is the only one with these bounds.
    unsafe { Stack::new(bounds) }
}
