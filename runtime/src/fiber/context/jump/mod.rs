//! The switch by jump, our own.
//!
//! A [`Context`] is what a processor needs to go on with a fiber: where its stack ends, at which instruction, and the two registers
//! that LLVM keeps for itself and that inline assembly cannot declare as clobbered (the frame pointer and the base pointer). All other
//! registers are declared as clobbered, so the compiler saves those that are in use, in the frame of the function that suspends, and no
//! others.
//!
//! The context is part of the fiber's slot, a cache line that the worker asks for early: a resumption knows where to jump without
//! reading the fiber's stack. Nothing on a stack points to the context: it may be moved to another slot while the fiber is suspended.
//!
//! # The stacks
//!
//! ```text
//!  a fiber's                                        its worker's, while the fiber runs
//!  +------------------+ <- base                     |                  |
//!  | body             |                             ~ the worker's loop~
//!  +------------------+                             +------------------+
//!  | link             | -------------+              | base pointer     |   RBX; X19 and a pad on AArch64
//!  +------------------+ <- root      |              +------------------+
//!  | frame of `root`  |              |              | where to go on   |   \ a frame record, as a chain of frame
//!  ~ frames of `body` ~              |              +------------------+   | pointers has them
//!  | ...              |              |              | frame pointer    |   /
//!  +------------------+              +------------> +------------------+ <- parent
//!  | saved registers  | as the compiler wants
//!  +------------------+ <- stack, in the context
//! ```
//!
//! `link` and `body` together have the form of a frame record, too. The frame pointer in the frame of `root` is that record's address,
//! so a walk along frame pointers goes from the fiber's frames over it to that of the worker; it shows `body` as one frame more.
//! A walk by tables (unwinding, debuggers) finds in those of `root` that the caller's frame is 24 bytes (32) above where the link
//! points, and that three registers are below.
//!
//! The link has to be right whenever the fiber runs. It is also in the context, as `parent`, and a worker's loop resumes fibers from one
//! place, with its stack always as deep: so a resumption writes the link only where it differs, and mostly leaves the line at the top
//! of the stack alone.
//!
//! # Registers
//!
//! | | x86-64 | AArch64 | at a switch |
//! | --- | --- | --- | --- |
//! | stack pointer | RSP | SP | in the context, or the link |
//! | instruction | RIP | PC | in the context, or on the worker's stack |
//! | frame pointer | RBP | X29 | likewise |
//! | base pointer (of frames with odd alignment) | RBX | X19 | likewise |
//! | other registers that functions preserve | R12-R15 | X20-X28, D8-D15 | saved by the compiler, if in use |
//! | registers that functions may change | the rest | the rest | saved by the compiler, if in use |
//! | platform register | | X18 | Linux has no use for it |
//! | floating-point control | MXCSR, x87 | FPCR | left alone, see the [module above](super) |
//! | whether it has ended | EAX | X0 | from the fiber to the worker |
//!
//! # Protections of control flow
//!
//! - *Indirect branch tracking* (BTI on AArch64): the targets of our jumps begin with `bti j`, which older processors take for a no-op.
//!   Linux has none for x86-64 programs.
//! - *Signed return addresses* (PAC): a frame's signature is over its own address, and a fiber's stack stays where it is. The addresses
//!   in contexts and on the worker's stack are not signed, like those of `setjmp`.
//!
//! # First entry and end
//!
//! The context of a new fiber is as if it were suspended at `root`, a few instructions with tables of their own, with the
//! argument in the base pointer's place. `root` *calls* the body, and the body *returns* to it: so a fiber that ends without having
//! suspended leaves the processor's stack of return addresses as it found it. Then it jumps to the worker, for good.
//!
//! `root` is marked as the frame of a signal handler. GDB takes a stack whose frames do not go upwards for corrupt, other than at such
//! a frame. With the mark a table is looked up at a return address itself and not just before, which is why one instruction more
//! follows each.
//!
//! # Handing over
//!
//! A flow that suspends may jump to another one instead of to the worker ([`Context::hand_over`]). Both have the same worker's frame below
//! them, so the second one's link is made to say what the first one's says: it comes back, whenever it suspends or ends, to where the worker resumed
//! the first. To the worker it is as if the one that it resumed had changed into another.
//!
//! # Sources
//!
//! Boost.Context's `fcontext` switches by jump, too; corosensei has links and tables of this form (and marks its frame for GDB), and
//! declares its registers in this manner. The System V ABI for AMD64, 3.2 and 3.4, and the AAPCS64, 6, say which registers are whose.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
mod machine;
#[cfg(all(test, not(loom)))]
mod tests;

use super::super::stack::{Stack, StackBounds};
use std::cell::Cell;
use std::mem::offset_of;

/// A flow of control that can be resumed until it ends.
#[repr(C)]
pub(crate) struct Context {
    /// Where its stack ends while it is suspended.
    stack: Cell<usize>,
    /// Where it goes on.
    instruction: Cell<usize>,
    base_pointer: Cell<usize>,
    frame_pointer: Cell<usize>,
    /// Where the stack of whoever resumed it ended then; what the link says.
    parent: Cell<usize>,
    /// Where the link is.
    root: Cell<usize>,
}

/// Where the machines' instructions find the fields.
const STACK: usize = offset_of!(Context, stack);
const INSTRUCTION: usize = offset_of!(Context, instruction);
const BASE_POINTER: usize = offset_of!(Context, base_pointer);
const FRAME_POINTER: usize = offset_of!(Context, frame_pointer);
const PARENT: usize = offset_of!(Context, parent);
const ROOT: usize = offset_of!(Context, root);

/// The record at the top of a stack, which `root` is the address of.
#[repr(C, align(16))]
struct Root<A> {
    link: usize,
    body: extern "C" fn(&A),
}

impl Context {
    /// Prepares `body(argument)` to run on `stack`. Nothing runs before the first [`resume`](Self::resume).
    ///
    /// # Safety
    ///
    /// `place` may be written to, and the context stays there until it was resumed once. The argument is good until the body has
    /// returned.
    #[inline]
    pub(crate) unsafe fn prepare<A: 'static>(
        place: *mut Context,
        stack: Stack,
        argument: *const A,
        body: extern "C" fn(&A),
    ) {
        let base = stack.bounds().base().get();
        let root = base - size_of::<Root<A>>();
        // SAFETY: the stack is mapped and ours, its base is aligned to a cache line, and it has room for more than this.
        unsafe { std::ptr::with_exposed_provenance_mut::<Root<A>>(root).write(Root { link: 0, body }) };
        let context = Context {
            stack: Cell::new(root),
            instruction: Cell::new(machine::root as *const () as usize),
            base_pointer: Cell::new(argument.expose_provenance()),
            frame_pointer: Cell::new(root),
            parent: Cell::new(0),
            root: Cell::new(root),
        };
        // SAFETY: passed on to the caller.
        unsafe { place.write(context) };
    }

    /// Runs it until it suspends or ends; `true` once it has ended.
    ///
    /// # Safety
    ///
    /// It is suspended, or has not been resumed before.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self) -> bool {
        // SAFETY: the context is that of `prepare` or of the latest `suspend`; nobody else uses its stack.
        unsafe { machine::resume(self) }
    }

    /// Switches to whoever resumed this flow of control; returns when it is resumed again.
    ///
    /// # Safety
    ///
    /// Called on this very flow of control.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: whoever resumed this flow is suspended in `machine::resume`, and noted where.
        unsafe { machine::suspend(self) };
    }

    /// Whether [`hand_over`](Self::hand_over) is to be used.
    pub(crate) const HANDS_OVER: bool = true;

    /// Switches to another flow of control, as if this one had suspended and whoever resumed it had resumed `next` at the same place:
    /// that is where `next` returns to when it suspends or ends. Returns when this one is resumed again.
    ///
    /// # Safety
    ///
    /// Called on this very flow of control. `next` is suspended, or has not been resumed before, or is this one.
    #[inline(always)]
    pub(crate) unsafe fn hand_over(&self, next: &Context) {
        // SAFETY: as in `resume` and `suspend`: whoever resumed this flow is suspended, and this flow's `parent` says where.
        unsafe { machine::hand_over(self, next) };
    }

    /// What is to be kept for [`suspended_at`](Self::suspended_at): nothing, the context knows.
    #[inline(always)]
    pub(crate) fn depth(&self) -> Option<u16> {
        None
    }

    /// Where the stack of the suspended flow ends.
    #[inline(always)]
    pub(crate) fn suspended_at(&self, _: impl FnOnce() -> u16) -> usize {
        self.stack.get()
    }

    /// The stack, whose bounds are `bounds`, to be used again.
    ///
    /// # Safety
    ///
    /// The context was made with a stack of these bounds, has ended, and is forgotten after this call, not dropped.
    #[inline]
    pub(crate) unsafe fn reclaim_stack(&self, bounds: StackBounds) -> Stack {
        // SAFETY: `prepare` took the stack and let it go, so this is the only one with these bounds.
        unsafe { Stack::new(bounds) }
    }
}
