//! The switch on AArch64.
//!
//! `hint #36` is `bti j`: where a jump may come from.

use super::{BASE_POINTER, Context, FRAME_POINTER, INSTRUCTION, PARENT, ROOT, STACK};
use std::arch::{asm, naked_asm};

/// These are loaded and stored in pairs.
const _: () = assert!(INSTRUCTION == STACK + 8 && FRAME_POINTER == BASE_POINTER + 8);

/// Switches to a suspended or new flow of control; returns when it suspends, or has ended: `true` then.
///
/// # Safety
///
/// See [`Context::resume`].
#[inline(always)]
pub(super) unsafe fn resume(context: *const Context) -> bool {
    let ended: u64;
    // SAFETY: everything that the other flow changes is declared or restored, and it comes back here with the stack as it was.
    unsafe {
        asm!(
            // The frame record, then the base pointer and a pad.
            "adr x9, 2f",
            "stp x29, x9, [sp, #-32]!",
            "str x19, [sp, #16]",
            "mov x10, sp",
            "ldr x11, [x0, #{parent}]",
            "cmp x10, x11",
            "b.eq 3f",
            "ldr x11, [x0, #{root}]",
            "str x10, [x0, #{parent}]",
            "str x10, [x11]",
            "3:",
            "ldp x10, x16, [x0, #{stack}]",
            "ldp x19, x29, [x0, #{base_pointer}]",
            "mov sp, x10",
            "br x16",
            // The fiber comes here, with the stack pointer as it was at the comparison.
            "2:",
            "hint #36",
            "ldr x19, [sp, #16]",
            "ldr x29, [sp], #32",
            parent = const PARENT,
            root = const ROOT,
            stack = const STACK,
            base_pointer = const BASE_POINTER,
            inlateout("x0") context => ended,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _, lateout("x24") _,
            lateout("x25") _, lateout("x26") _, lateout("x27") _, lateout("x28") _,
            clobber_abi("C"),
        );
    }
    ended != 0
}

/// Switches to whoever resumed this flow of control; returns when it is resumed again.
///
/// # Safety
///
/// See [`Context::suspend`].
#[inline(always)]
pub(super) unsafe fn suspend(context: *const Context) {
    // SAFETY: as in `resume`.
    unsafe {
        asm!(
            "adr x9, 2f",
            "mov x10, sp",
            "stp x10, x9, [x0, #{stack}]",
            "stp x19, x29, [x0, #{base_pointer}]",
            "ldr x10, [x0, #{parent}]",
            "ldr x16, [x10, #8]",
            "mov sp, x10",
            "mov x0, #0",
            "br x16",
            "2:",
            "hint #36",
            parent = const PARENT,
            stack = const STACK,
            base_pointer = const BASE_POINTER,
            inlateout("x0") context => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _, lateout("x24") _,
            lateout("x25") _, lateout("x26") _, lateout("x27") _, lateout("x28") _,
            clobber_abi("C"),
        );
    }
}

/// Switches to another flow of control, as if whoever resumed this one had been returned to and had resumed that one; returns when this one
/// is resumed again.
///
/// # Safety
///
/// See [`Context::hand_over`].
#[inline(always)]
pub(super) unsafe fn hand_over(context: *const Context, next: *const Context) {
    // SAFETY: as in `resume`.
    unsafe {
        asm!(
            "adr x9, 2f",
            "mov x10, sp",
            "stp x10, x9, [x0, #{stack}]",
            "stp x19, x29, [x0, #{base_pointer}]",
            "ldr x10, [x0, #{parent}]",
            "ldr x11, [x1, #{parent}]",
            "cmp x10, x11",
            "b.eq 3f",
            "ldr x11, [x1, #{root}]",
            "str x10, [x1, #{parent}]",
            "str x10, [x11]",
            "3:",
            "ldp x10, x16, [x1, #{stack}]",
            "ldp x19, x29, [x1, #{base_pointer}]",
            "mov sp, x10",
            "br x16",
            "2:",
            "hint #36",
            parent = const PARENT,
            root = const ROOT,
            stack = const STACK,
            base_pointer = const BASE_POINTER,
            inlateout("x0") context => _,
            inlateout("x1") next => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _, lateout("x24") _,
            lateout("x25") _, lateout("x26") _, lateout("x27") _, lateout("x28") _,
            clobber_abi("C"),
        );
    }
}

/// The first frame of every flow of control. It is jumped to, with the argument of the body in X19 and the address of the link in X29,
/// which is also where the stack ends.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn root() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // The caller's frame: DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg29 (X29) 0, DW_OP_deref, DW_OP_plus_uconst 32.
        ".cfi_escape 0x0f, 5, 0x8d, 0x00, 0x06, 0x23, 0x20",
        ".cfi_offset x19, -16",
        ".cfi_offset x30, -24",
        ".cfi_offset x29, -32",
        "hint #36",
        "mov x0, x19",
        "ldr x1, [x29, #8]",
        "blr x1",
        "ldr x10, [x29]",
        "ldr x16, [x10, #8]",
        "mov sp, x10",
        "mov x0, #1",
        "br x16",
        ".cfi_endproc",
    )
}
