//! The switch on x86-64.

use super::{BASE_POINTER, Context, FRAME_POINTER, INSTRUCTION, PARENT, ROOT, STACK};
use std::arch::{asm, naked_asm};

/// Switches to a suspended or new flow of control; returns when it suspends, or has ended: `true` then.
///
/// # Safety
///
/// See [`Context::resume`].
#[inline(always)]
pub(super) unsafe fn resume(context: *const Context) -> bool {
    let ended: u32;
    // SAFETY: everything that the other flow changes is declared or restored, and it comes back here with the stack as it was.
    unsafe {
        asm!(
            // Early, so that the jump is checked early.
            "mov rcx, [rdi + {instruction}]",
            "push rbx",
            // The frame record.
            "lea rax, [rip + 2f]",
            "push rax",
            "push rbp",
            "cmp rsp, [rdi + {parent}]",
            "je 3f",
            "mov rax, [rdi + {root}]",
            "mov [rdi + {parent}], rsp",
            "mov [rax], rsp",
            "3:",
            "mov rsp, [rdi + {stack}]",
            "mov rbp, [rdi + {frame_pointer}]",
            "mov rbx, [rdi + {base_pointer}]",
            "jmp rcx",
            // The fiber comes here, with the stack pointer as it was at the comparison.
            "2:",
            "mov rbp, [rsp]",
            "mov rbx, [rsp + 16]",
            "add rsp, 24",
            parent = const PARENT,
            root = const ROOT,
            stack = const STACK,
            frame_pointer = const FRAME_POINTER,
            base_pointer = const BASE_POINTER,
            instruction = const INSTRUCTION,
            inlateout("rdi") context => _,
            lateout("eax") ended,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
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
            "mov rdx, [rdi + {parent}]",
            "lea rax, [rip + 2f]",
            "mov rcx, [rdx + 8]",
            "mov [rdi + {instruction}], rax",
            "mov [rdi + {stack}], rsp",
            "mov [rdi + {frame_pointer}], rbp",
            "mov [rdi + {base_pointer}], rbx",
            "mov rsp, rdx",
            "xor eax, eax",
            "jmp rcx",
            "2:",
            parent = const PARENT,
            stack = const STACK,
            frame_pointer = const FRAME_POINTER,
            base_pointer = const BASE_POINTER,
            instruction = const INSTRUCTION,
            inlateout("rdi") context => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
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
            "mov rdx, [rdi + {parent}]",
            "lea rax, [rip + 2f]",
            "mov [rdi + {instruction}], rax",
            // Not before: a flow may be handed to itself.
            "mov rcx, [rsi + {instruction}]",
            "mov [rdi + {stack}], rsp",
            "mov [rdi + {frame_pointer}], rbp",
            "mov [rdi + {base_pointer}], rbx",
            "cmp rdx, [rsi + {parent}]",
            "je 3f",
            "mov rax, [rsi + {root}]",
            "mov [rsi + {parent}], rdx",
            "mov [rax], rdx",
            "3:",
            "mov rsp, [rsi + {stack}]",
            "mov rbp, [rsi + {frame_pointer}]",
            "mov rbx, [rsi + {base_pointer}]",
            "jmp rcx",
            "2:",
            parent = const PARENT,
            root = const ROOT,
            stack = const STACK,
            frame_pointer = const FRAME_POINTER,
            base_pointer = const BASE_POINTER,
            instruction = const INSTRUCTION,
            inlateout("rdi") context => _,
            inlateout("rsi") next => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
}

/// The first frame of every flow of control. It is jumped to, with the argument of the body in RBX and the address of the link in RBP,
/// which is also where the stack ends.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn root() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        // The caller's frame: DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg6 (RBP) 0, DW_OP_deref, DW_OP_plus_uconst 24.
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 0x18",
        ".cfi_offset rbx, -8",
        ".cfi_offset rip, -16",
        ".cfi_offset rbp, -24",
        "mov rdi, rbx",
        "call qword ptr [rbp + 8]",
        "mov rsp, [rbp]",
        "mov eax, 1",
        "jmp qword ptr [rsp + 8]",
        ".cfi_endproc",
    )
}
