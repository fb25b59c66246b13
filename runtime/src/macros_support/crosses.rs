//! The bounds of `fetch::spawn` and `fetch::spawn_scoped`, checked where they are *called*.
//!
//! A task may have an `Rc` argument: called, it works; only spawning it must not compile. But the companion `spawn` is
//! generated beside the function, and a false bound without a parameter in it (`where Rc<u8>: Send`) is an error at
//! its definition. [`Crosses`] and [`Returns`] have a lifetime parameter for no other reason than to make such a bound
//! depend on one: then the compiler takes it as given in the companion, and asks for it at the call.
//!
//! They cannot have `Send` as a supertrait: from `Rc<u8>: Crosses<'call, 'static, 0>` the compiler would conclude the
//! bare `Rc<u8>: Send`, which is again an error at the definition. So the companion does not know that its arguments
//! are `Send`; it knows that [`Crosses::pack`] makes them into something that is. The only implementation makes them
//! into themselves.
//!
//! The argument's position is a parameter too, because two bounds on types that differ only in lifetimes
//! (`&'a str` and `&'b str`) are ambiguous.

use crate::registry::Task;
use crate::{JoinHandle, Scope, ScopedJoinHandle};

/// An argument that can be handed to a fiber which lives until `'until`: it is `Send + 'until`.
///
/// `'call` and `POSITION` have no meaning; see the module for what they are for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to another fiber, which may run on another thread",
    label = "the arguments of a spawned task have to be `Send`",
    note = "to run the task on this worker's thread, call it in `fiber::spawn_local(move || ...)`"
)]
pub trait Crosses<'call, 'until, const POSITION: usize>: Sized {
    /// `Self`, known to be `Send + 'until`.
    type Packed: Send + 'until;
    /// Into the fiber.
    fn pack(self) -> Self::Packed;
    /// The inverse of [`pack`](Self::pack).
    fn unpack(packed: Self::Packed) -> Self;
}

#[diagnostic::do_not_recommend]
impl<'until, const POSITION: usize, T: Send + 'until> Crosses<'_, 'until, POSITION> for T {
    type Packed = T;

    fn pack(self) -> T {
        self
    }

    fn unpack(packed: T) -> T {
        packed
    }
}

/// A result that can be handed to whoever joins a fiber which lives until `'until`: it is `Send + 'until`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed from one fiber to another, which may run on another thread",
    label = "the result of a spawned task has to be `Send`",
    note = "to run the task on this worker's thread, call it in `fiber::spawn_local(move || ...)`",
    note = "a task that is only called, never spawned, can say so: `#[fiber::task(companion = false)]`"
)]
pub trait Returns<'call, 'until>: Sized {
    /// `Self`, known to be `Send + 'until`.
    type Packed: Send + 'until;
    /// Out of the fiber.
    fn pack(self) -> Self::Packed;
    /// A handle whose `join` unpacks.
    fn handle(handle: JoinHandle<Self::Packed>) -> JoinHandle<Self>;
    /// A scoped handle whose `join` unpacks.
    fn scoped_handle<'scope>(handle: ScopedJoinHandle<'scope, Self::Packed>) -> ScopedJoinHandle<'scope, Self>;
}

#[diagnostic::do_not_recommend]
impl<'until, T: Send + 'until> Returns<'_, 'until> for T {
    type Packed = T;

    fn pack(self) -> T {
        self
    }

    fn handle(handle: JoinHandle<T>) -> JoinHandle<T> {
        handle
    }

    fn scoped_handle<'scope>(handle: ScopedJoinHandle<'scope, T>) -> ScopedJoinHandle<'scope, T> {
        handle
    }
}

/// A tuple of arguments that all [cross](Crosses).
pub trait AllCross<'call, 'until>: Sized {
    /// The arguments, known to be `Send + 'until`.
    type Packed: Send + 'until;
    /// Into the fiber.
    fn pack(self) -> Self::Packed;
    /// The inverse of [`pack`](Self::pack).
    fn unpack(packed: Self::Packed) -> Self;
}

impl AllCross<'_, '_> for () {
    type Packed = ();

    fn pack(self) {}

    fn unpack((): ()) {}
}

/// Up to 16 of them, which `fiber-macros` knows.
macro_rules! all_cross {
    ($($argument:ident $position:tt),*) => {
        impl<'call, 'until, $($argument),*> AllCross<'call, 'until> for ($($argument,)*)
        where
            $($argument: Crosses<'call, 'until, $position>,)*
        {
            type Packed = ($($argument::Packed,)*);

            fn pack(self) -> Self::Packed {
                ($(self.$position.pack(),)*)
            }

            fn unpack(packed: Self::Packed) -> Self {
                ($($argument::unpack(packed.$position),)*)
            }
        }
    };
}

all_cross!(A 0);
all_cross!(A 0, B 1);
all_cross!(A 0, B 1, C 2);
all_cross!(A 0, B 1, C 2, D 3);
all_cross!(A 0, B 1, C 2, D 3, E 4);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14);
all_cross!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15);

/// Runs `call(arguments)` on a fiber of `task`.
#[track_caller]
pub fn spawn<'call, A, R, F>(task: &'static Task, arguments: A, call: F) -> JoinHandle<R>
where
    A: AllCross<'call, 'static>,
    R: Returns<'call, 'static>,
    F: FnOnce(A) -> R + Send + 'static,
{
    let arguments = arguments.pack();
    R::handle(task.builder().spawn(move || call(A::unpack(arguments)).pack()))
}

/// Runs `call(arguments)`, which may borrow, on a fiber of `task` in `scope`.
#[track_caller]
pub fn spawn_scoped<'call, 'scope, 'env, A, R, F>(
    task: &'static Task,
    scope: &'scope Scope<'scope, 'env>,
    arguments: A,
    call: F,
) -> ScopedJoinHandle<'scope, R>
where
    A: AllCross<'call, 'scope>,
    R: Returns<'call, 'scope>,
    F: FnOnce(A) -> R + Send + 'scope,
{
    let arguments = arguments.pack();
    let run = move || call(A::unpack(arguments)).pack();
    R::scoped_handle(task.builder().spawn_scoped(scope, run))
}
