//! What all coroutines are made of: a nested flow of control, its stack's lender, and what happens when it is dropped.

use super::stacks::{self, Lender};
use super::{CoroutineState, Yielder};
use crate::fiber::nested::{Endless, Left, Nested, NotEntered};
use crate::fiber::record::drop_quietly;
use crate::fiber::stack::StackError;
use crate::sys::stderr::say;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;

/// What to do with a coroutine that can be neither resumed to its end nor unwound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borrows {
    /// It owns all that it uses, and may be leaked.
    Nothing,
    /// It uses what goes away with its scope: it must not stay.
    FromScope,
}

pub(super) struct Raw<Input, Yield, Return> {
    nested: ManuallyDrop<Nested<Input, Yield, Return>>,
    lender: Lender,
    borrows: Borrows,
    /// It stays on its thread, whatever its types.
    stays: PhantomData<*mut ()>,
}

impl<Input, Yield, Return> Raw<Input, Yield, Return> {
    /// # Safety
    ///
    /// All that the body borrows, and the lifetimes in the other types, outlive the value; if `borrows` is `Nothing`, for ever.
    pub(super) unsafe fn new<F>(stack_size: Option<usize>, borrows: Borrows, body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        let (stack, lender) = stacks::take(stack_size)?;
        // SAFETY: passed on to the caller; a value that borrows is not leaked by `drop`.
        let nested = unsafe { Nested::new(stack, move |yielder, value| body(Yielder::wrap(yielder), value)) };
        Ok(Raw { nested: ManuallyDrop::new(nested), lender, borrows, stays: PhantomData })
    }

    pub(super) fn is_done(&self) -> bool {
        self.nested.is_done()
    }

    #[inline]
    #[track_caller]
    pub(super) fn resume(&mut self, value: Input) -> CoroutineState<Yield, Return> {
        let (flow, fiber) = stacks::current_flow();
        match self.nested.enter(flow, fiber, value) {
            Ok(Left::Suspended(value)) => CoroutineState::Yielded(value),
            Ok(Left::Ended(Ok(value))) => CoroutineState::Complete(value),
            Ok(Left::Ended(Err(panic))) => resume_unwind(panic),
            Err(error) => refuse(&error),
        }
    }
}

#[cold]
#[track_caller]
fn refuse(error: &NotEntered) -> ! {
    match error {
        NotEntered::Done => panic!("a coroutine was resumed after it had ended"),
        NotEntered::Elsewhere(owner) => {
            panic!("a coroutine was resumed elsewhere than on {owner}, which has started it")
        }
    }
}

impl<Input, Yield, Return> Drop for Raw<Input, Yield, Return> {
    fn drop(&mut self) {
        let (flow, fiber) = stacks::current_flow();
        let ended = self.nested.end(flow, fiber);
        // SAFETY: taken once, here; `self` is not used afterwards.
        let nested = unsafe { ManuallyDrop::take(&mut self.nested) };
        match ended {
            Ok(panic) => {
                stacks::give(nested.into_stack(), self.lender);
                if let Some(panic) = panic {
                    if std::thread::panicking() {
                        drop_quietly(panic);
                    } else {
                        resume_unwind(panic);
                    }
                }
            }
            Err(endless) if self.borrows == Borrows::FromScope => {
                say(format_args!("fiber: a coroutine cannot be unwound at the end of its scope: {}\n", why(&endless)));
                std::process::abort();
            }
            Err(endless) => {
                say(format_args!("fiber: a coroutine cannot be unwound, and is leaked: {}\n", why(&endless)));
            }
        }
    }
}

/// In words.
fn why(endless: &Endless) -> String {
    match endless {
        Endless::Elsewhere(owner) => {
            format!("it is dropped elsewhere than on {owner}, which has started it")
        }
        Endless::Unwinding => "it is suspended in a destructor that runs because of a panic".to_owned(),
        Endless::Swallowed => "it catches the unwinding and suspends again".to_owned(),
        Endless::NoUnwinding => "panic = \"abort\" leaves no way to unwind".to_owned(),
    }
}
