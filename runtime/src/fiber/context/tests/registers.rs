//! The registers that functions preserve, and the records of frames.

use super::{Flow, cache};
use crate::fiber::stack::SizeClass;
use std::arch::naked_asm;
use std::cell::Cell;
use std::hint::black_box;

extern "C" fn resume(flow: &Flow) {
    flow.resume();
}

extern "C" fn suspend(flow: &Flow) {
    flow.suspend();
}

/// Fills all registers that functions preserve with `seed` and what follows it, calls `between(flow)`, and says which differ
/// afterwards.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(in crate::fiber::context) extern "C" fn differing(seed: u64, between: extern "C" fn(&Flow), flow: &Flow) -> u64 {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "lea rbx, [rdi + 1]",
        "lea rbp, [rdi + 2]",
        "lea r12, [rdi + 3]",
        "lea r13, [rdi + 4]",
        "lea r14, [rdi + 5]",
        "lea r15, [rdi + 6]",
        "mov rdi, rdx",
        "call rsi",
        "pop rdi",
        "xor eax, eax",
        "sub rbx, rdi",
        "sub rbp, rdi",
        "sub r12, rdi",
        "sub r13, rdi",
        "sub r14, rdi",
        "sub r15, rdi",
        "xor rbx, 1",
        "xor rbp, 2",
        "xor r12, 3",
        "xor r13, 4",
        "xor r14, 5",
        "xor r15, 6",
        "or rax, rbx",
        "or rax, rbp",
        "or rax, r12",
        "or rax, r13",
        "or rax, r14",
        "or rax, r15",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(in crate::fiber::context) extern "C" fn differing(seed: u64, between: extern "C" fn(&Flow), flow: &Flow) -> u64 {
    naked_asm!(
        "stp x29, x30, [sp, #-176]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "str x0, [sp, #160]",
        "add x19, x0, #1",
        "add x20, x0, #2",
        "add x21, x0, #3",
        "add x22, x0, #4",
        "add x23, x0, #5",
        "add x24, x0, #6",
        "add x25, x0, #7",
        "add x26, x0, #8",
        "add x27, x0, #9",
        "add x28, x0, #10",
        "add x29, x0, #11",
        "fmov d8, x19",
        "fmov d9, x20",
        "fmov d10, x21",
        "fmov d11, x22",
        "fmov d12, x23",
        "fmov d13, x24",
        "fmov d14, x25",
        "fmov d15, x26",
        "mov x0, x2",
        "blr x1",
        "ldr x1, [sp, #160]",
        "mov x0, #0",
        // Each general register less what it had, then each of the others.
        ".irp number, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
        "sub x2, x\\number, x1",
        "sub x2, x2, #(\\number - 18)",
        "orr x0, x0, x2",
        ".endr",
        ".irp number, 8, 9, 10, 11, 12, 13, 14, 15",
        "fmov x2, d\\number",
        "sub x2, x2, x1",
        "sub x2, x2, #(\\number - 7)",
        "orr x0, x0, x2",
        ".endr",
        "ldp d14, d15, [sp, #144]",
        "ldp d12, d13, [sp, #128]",
        "ldp d10, d11, [sp, #112]",
        "ldp d8, d9, [sp, #96]",
        "ldp x27, x28, [sp, #80]",
        "ldp x25, x26, [sp, #64]",
        "ldp x23, x24, [sp, #48]",
        "ldp x21, x22, [sp, #32]",
        "ldp x19, x20, [sp, #16]",
        "ldp x29, x30, [sp], #176",
        "ret",
    )
}

/// What the floating-point units are told to do. The exceptions that happened, which anybody may change, are left out.
fn control_words() -> (u64, u16) {
    #[cfg(target_arch = "x86_64")]
    {
        let (mut sse, mut x87) = (0_u32, 0_u16);
        // SAFETY: stores the two words.
        unsafe { std::arch::asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut sse, in(reg) &raw mut x87) };
        (u64::from(sse & !0x3f), x87)
    }
    #[cfg(target_arch = "aarch64")]
    {
        let word: u64;
        // SAFETY: reads a register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word) };
        (word, 0)
    }
}

#[test]
fn are_preserved_on_both_sides() {
    let mut cache = cache();
    let control = control_words();
    let flow = Flow::new(&mut cache, move |flow| {
        for seed in 1..100 {
            assert_eq!(differing(seed << 32, suspend, flow), 0);
            assert_eq!(control_words(), control);
        }
    });
    for seed in 1..100 {
        assert_eq!(differing(seed << 48, resume, &flow), 0);
        assert_eq!(control_words(), control);
    }
    assert!(flow.resume());
    assert_eq!(control_words(), control);
    cache.give(flow.take_stack());
}

#[test]
fn the_test_of_registers_would_notice() {
    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    extern "C" fn changes(_: &Flow) {
        naked_asm!("mov r13, 5", "ret")
    }
    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    extern "C" fn changes(_: &Flow) {
        naked_asm!("fmov d13, xzr", "ret")
    }
    let mut cache = cache();
    let flow = Flow::new(&mut cache, |_| ());
    assert_ne!(differing(1 << 32, changes, &flow), 0);
    assert!(flow.resume());
    cache.give(flow.take_stack());
}

/// The chain of frame records from a body on, as a profiler follows it.
#[test]
#[cfg_attr(feature = "sanitizer", ignore = "AddressSanitizer has locals elsewhere, and frames of its own")]
fn frame_records_lead_to_whoever_resumed() {
    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    extern "C" fn body_with_a_frame(_: &Flow) {
        naked_asm!(
            "push rbp",
            "mov rbp, rsp",
            "mov rsi, rsp",
            "call {}",
            "pop rbp",
            "ret",
            sym follow,
        )
    }
    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    extern "C" fn body_with_a_frame(_: &Flow) {
        naked_asm!(
            "stp x29, x30, [sp, #-16]!",
            "mov x29, sp",
            "mov x1, sp",
            "bl {}",
            "ldp x29, x30, [sp], #16",
            "ret",
            sym follow,
        )
    }
    thread_local! {
        static RESUMER: Cell<usize> = const { Cell::new(0) };
    }
    extern "C" fn follow(flow: &Flow, frame: *const [usize; 2]) {
        for _ in 0..3 {
            // SAFETY: `frame` is that of the body, and it, the first one of its stack and that of the resumer are alive.
            unsafe {
                let first = (*frame)[0];
                assert!(flow.bounds.usable().contains(&first), "{first:#x} is not on the flow's stack");
                let link = (*std::ptr::with_exposed_provenance::<[usize; 2]>(first))[0];
                let below = RESUMER.get() - link;
                assert!(below < 4096, "{link:#x} is not in the resumer's frame");
            }
            flow.suspend();
        }
    }
    #[inline(never)]
    fn resume_noting_where(flow: &Flow, depth: u32) -> bool {
        let here = black_box(0_u8);
        RESUMER.set((&raw const here).expose_provenance() + 256);
        let ended = if depth == 0 { flow.resume() } else { black_box(resume_noting_where(flow, depth - 1)) };
        black_box(here);
        ended
    }
    let mut cache = cache();
    let stack = cache.take(SizeClass::DEFAULT).unwrap();
    let flow = Flow::with_body(stack, body_with_a_frame, |_| ());
    for depth in [0, 40, 3] {
        assert!(!resume_noting_where(&flow, depth));
    }
    assert!(resume_noting_where(&flow, 1));
    cache.give(flow.take_stack());
}
