//! What the attributes ask the compiler about a call: is this std's blocking one?
//!
//! A macro sees tokens, not meanings. `TcpStream::connect` may be ours or std's, and `shared.lock()` may be behind an
//! `Arc` and an imported name. So beside each call with a suspicious name the expansion has code that never runs,
//! which type-checks only if the answer is no:
//!
//! ```text
//! use ::fiber::macros_support::v1::check::{self as __fiber, probes::*};
//! ..
//! match shared.lock() {
//!     value => (if false {
//!         __fiber::never();
//!         let () = {
//!             let verdict = shared.__fiber_receiver(__fiber::methods::lock).verdict();
//!             __fiber::SyncMutexLockOnAFiber::ok(verdict.1.0);
//!         };
//!     }, value).1
//! }
//! ```
//!
//! **Which method of which type?** [`Denied<M>`] is implemented for the types whose method `M` blocks. The call of
//! `verdict` walks down a ladder of types, [`Receiver`] to [`Harmless`], each of which derefs to the next: on each rung the
//! method exists only if what the receiver points to, so many times, is `Denied`. The compiler takes the first that does.
//! Generic parameters and trait objects implement none of it, and pass.
//!
//! **Which function?** Every function has a type of its own. [`Pair`] has the method if its two types are one, and derefs
//! to [`Different`] otherwise.
//!
//! **Why a trait for each entry?** The compiler's message is the trait's, and only a trait that is called by its path
//! gives an error that points nowhere but into the user's code. The verdict of a receiver is a tuple with a field for
//! each entry that has the method's name; all but one are [`Fine`].
//!
//! The code stands behind a call that does not return ([`never`]): types are checked there, but the compiler throws it away
//! before it looks at moves and borrows, which is half of what it would cost.
//!
//! The traits are imported without their names, because the user's code stands in the same scope.

use std::marker::PhantomData;
use std::ops::Deref;

fiber_macros::blocking_table!();

/// As the probes name it.
pub use ::std as of_std;

/// The call does not block.
#[derive(Clone, Copy, Debug)]
pub struct Fine;

/// The call blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocks;

/// The call blocks, said by a function whose bound has to depend on a parameter.
#[derive(Clone, Copy, Debug)]
pub struct BlocksHere<'call>(PhantomData<&'call ()>);

/// Ends code that never runs.
pub fn never() -> ! {
    unreachable!("the code of a check is never run")
}

/// The name of a method that some type blocks in.
pub trait Method {
    /// The verdict on a receiver whose method does not block: [`Fine`] for each entry.
    type Harmless;
}

/// This type's method `M` blocks.
pub trait Denied<M> {
    /// [`Blocks`] for the entry that it is, [`Fine`] for the others that have the method's name.
    type Candidates;
}

impl<M, T: Denied<M> + ?Sized> Denied<M> for &T {
    type Candidates = T::Candidates;
}

impl<M, T: Denied<M> + ?Sized> Denied<M> for &mut T {
    type Candidates = T::Candidates;
}

/// `Box` passes on more than its `Deref`: it is an iterator, a reader and a writer itself.
impl<M, T: Denied<M> + ?Sized> Denied<M> for Box<T> {
    type Candidates = T::Candidates;
}

/// Whether a method call blocks, and for each entry with its name, whether it is this one.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<W, C>(pub W, pub C);

/// A receiver that is a raw pointer. It is looked at by value, because a reference to it may not be allowed.
#[derive(Debug)]
pub struct Pointer<M>(PhantomData<M>);

impl<M: Method> Pointer<M> {
    /// Nothing of std blocks on a raw pointer.
    pub fn verdict(&self) -> Verdict<Fine, M::Harmless> {
        never()
    }
}

/// Begins the ladder for a place by a method call, so that it is borrowed, captured and dereferenced as in the real call.
pub trait ByReference {
    /// The method stands in the type: as an argument of `verdict` it would have no part in the choice.
    fn __fiber_receiver<M>(&self, method: M) -> Receiver<'_, M, Self> {
        Receiver(method, self)
    }
}

impl<T: ?Sized> ByReference for T {}

/// Makes a raw pointer a [`Pointer`].
pub trait ByPointer: Sized {
    /// See [`Pointer`].
    fn __fiber_receiver<M>(self, _method: M) -> Pointer<M> {
        Pointer(PhantomData)
    }
}

impl<T: ?Sized> ByPointer for *const T {}
impl<T: ?Sized> ByPointer for *mut T {}

/// The first rung: the receiver itself decides. It derefs to the next one.
#[derive(Debug)]
pub struct Receiver<'a, M, T: ?Sized>(pub M, pub &'a T);

impl<M, T: ?Sized + Denied<M>> Receiver<'_, M, T> {
    /// It says that it blocks.
    pub fn verdict(&self) -> Verdict<Blocks, T::Candidates> {
        never()
    }
}

impl<'a, M, T: ?Sized> Deref for Receiver<'a, M, T> {
    type Target = OneDeep<'a, M, T>;

    fn deref(&self) -> &Self::Target {
        never()
    }
}

type Target<T> = <T as Deref>::Target;

/// A rung below the first: what the receiver points to, so many times, decides.
macro_rules! rung {
    ($(#[$doc:meta])* $rung:ident, $next:ty, $decider:ty where $($derefs:tt)*) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $rung<'a, M, T: ?Sized>(PhantomData<(M, &'a T)>);

        impl<M, T: ?Sized> $rung<'_, M, T>
        where
            $($derefs)*
            $decider: Denied<M>,
        {
            /// It says that it blocks.
            pub fn verdict(&self) -> Verdict<Blocks, <$decider as Denied<M>>::Candidates> {
                never()
            }
        }

        impl<'a, M, T: ?Sized> Deref for $rung<'a, M, T> {
            type Target = $next;

            fn deref(&self) -> &Self::Target {
                never()
            }
        }
    };
}

rung! {
    /// What it points to decides.
    OneDeep, TwoDeep<'a, M, T>, Target<T> where T: Deref,
}
rung! {
    /// What that points to decides.
    TwoDeep, ThreeDeep<'a, M, T>, Target<Target<T>> where T: Deref, Target<T>: Deref,
}
rung! {
    /// And so on.
    ThreeDeep, FourDeep<'a, M, T>, Target<Target<Target<T>>>
    where T: Deref, Target<T>: Deref, Target<Target<T>>: Deref,
}
rung! {
    /// And so on.
    FourDeep, Harmless<M>, Target<Target<Target<Target<T>>>>
    where T: Deref, Target<T>: Deref, Target<Target<T>>: Deref, Target<Target<Target<T>>>: Deref,
}

/// The ground: nobody says that it blocks.
#[derive(Debug)]
pub struct Harmless<M>(PhantomData<M>);

impl<M: Method> Harmless<M> {
    /// It does not block.
    pub fn verdict(&self) -> Verdict<Fine, M::Harmless> {
        never()
    }
}

/// Learns the type of an argument from the call that it is passed to: only there it is expected to be something.
#[derive(Debug)]
pub struct Argument<T>(PhantomData<T>);

/// One of a type that is not known yet.
pub fn argument<T>() -> Argument<T> {
    never()
}

impl<T> Argument<T> {
    /// This is it.
    pub fn is(&self, value: T) -> T {
        value
    }

    /// Another one of its type.
    pub fn other(&self) -> T {
        never()
    }

    /// A place of its type.
    pub fn place(&self) -> &T {
        never()
    }
}

/// The function that the user calls, and one of std.
#[derive(Debug)]
pub struct Pair<'a, A, B>(PhantomData<(&'a A, &'a B)>);

/// Makes a [`Pair`] by a method call: on something that the compiler does not know, it says nothing.
pub trait Beside: Sized {
    /// See [`Pair`].
    fn __fiber_beside<'a, B>(&'a self, _std: &'a B) -> Pair<'a, Self, B> {
        Pair(PhantomData)
    }

    /// See [`Among`].
    fn __fiber_among<'a, L>(&'a self, _list: &'a L) -> Among<'a, Self, L> {
        Among(PhantomData)
    }
}

impl<T> Beside for T {}

impl<A> Pair<'_, A, A> {
    /// They are one.
    pub fn verdict(&self) -> Blocks {
        Blocks
    }
}

impl<A, B> Deref for Pair<'_, A, B> {
    type Target = Different;

    fn deref(&self) -> &Different {
        &Different
    }
}

/// What remains if they are two.
#[derive(Debug)]
pub struct Different;

impl Different {
    /// They are two.
    pub fn verdict(&self) -> Fine {
        Fine
    }
}

/// The function that the user calls, and many of std: `(marker, function, the others)`. It is for functions that an import
/// may have given another name. One call of `verdict` looks down the list, because a question for each function would cost
/// the compiler ten times as much.
#[derive(Debug)]
pub struct Among<'a, F, L>(PhantomData<(&'a F, &'a L)>);

impl<'a, E, F, L> Among<'a, F, (E, F, L)> {
    /// It is this one.
    pub fn verdict(&self) -> Found<'a, E> {
        never()
    }
}

impl<'a, E, F, G, L> Deref for Among<'a, F, (E, G, L)> {
    type Target = Among<'a, F, L>;

    fn deref(&self) -> &Self::Target {
        never()
    }
}

impl<F> Among<'_, F, ()> {
    /// It is none of them.
    pub fn verdict(&self) -> Fine {
        Fine
    }
}

/// The user's function is the one of std with the marker `E`.
#[derive(Debug)]
pub struct Found<'a, E>(PhantomData<(&'a (), E)>);

impl<E> Found<'_, E> {
    /// The list settled the arguments.
    pub fn settle<T, S>(self, _list: &T, _call: &S) -> Self {
        self
    }
}

impl Fine {
    /// The answer of an [`Among`]. On [`Found`] it has the bound that the entry has no impl for.
    pub fn ok(self) {}

    /// Std's function had its arguments open; nothing has settled them, so they become those of `settled`.
    pub fn settle<T>(self, _std: &T, _settled: &T) -> Self {
        self
    }

    /// Both have to block.
    pub fn and<V>(self, _other: V) -> Self {
        self
    }

    /// Either has to block.
    pub fn or<V>(self, other: V) -> V {
        other
    }
}

impl Blocks {
    /// The user's call settles the arguments.
    pub fn settle<T, S>(self, _std: &T, _settled: &S) -> Self {
        self
    }

    /// Both have to block.
    pub fn and<V>(self, other: V) -> V {
        other
    }

    /// Either has to block.
    pub fn or<V>(self, _other: V) -> Self {
        self
    }
}

/// Asked for where the user exempts a single call.
#[diagnostic::on_unimplemented(
    message = "nothing here is known to block: this exemption is not needed",
    label = "does not block",
    note = "remove the exemption, so that a blocking call that comes later is found"
)]
pub trait NeedsExemption: Sized {
    /// By its path, for the message.
    fn ok(_: Self) {}
}

#[diagnostic::do_not_recommend]
impl NeedsExemption for Blocks {}

/// The traits of the probes, without names, to be imported by a glob.
pub mod probes {
    pub use super::{Beside as _, ByPointer as _, ByReference as _};
}

/// Where the attributes insert it, a fiber may be made to yield. It never ends a fiber: code between two calls that may
/// wait was written as atomic.
#[inline(always)]
pub fn checkpoint() {
    crate::sched::slice::checkpoint();
}
