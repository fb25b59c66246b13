//! What keeps the optimiser from knowing better.

use std::arch::asm;

/// Makes the function that calls it one of which the compiler has to suppose that it has effects.
///
/// A function that only reads a thread-local is inferred to be free of them, also when it is not inlined; and then a second call is taken to
/// give what the first gave, although a fiber that suspended in between may be on another thread. Found with LLVM 20: without this, of two
/// calls around a switch one is left. (With `pure` or `nomem` the statement would say the opposite of what it is for.)
#[inline(always)]
pub(crate) fn has_effects() {
    // SAFETY: no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}
