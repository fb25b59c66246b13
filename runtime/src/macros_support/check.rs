//! What the attributes ask the compiler about a call: is this std's blocking one?
//!
//! A macro sees tokens, not meanings. `TcpStream::connect` may be ours or std's, and `shared.lock()` may be behind an
//! `Arc` and an imported name. So beside each call with a suspicious name the expansion has code that never runs,
//! which type-checks only if the answer is no:
//!
//! ```text
//! (if false {
//!     use ::fiber::macros_support::v1::check::{self, probes::*};
//!     let verdict = (&&&&&&shared.__fiber_receiver(check::methods::lock)).__fiber_verdict();
//!     check::SyncMutexLockOnAFiber::ok(verdict.1.0);
//!     check::never()
//! }, shared.lock()).1
//! ```
//!
//! **Which method of which type?** [`Denied<M>`] is implemented for the types whose method `M` blocks. The probe walks
//! from the receiver along `Deref` as a method call does, to depth four, by autoref specialisation (D. Tolnay, "Autoref-based
//! stable specialization", 2019): [`AtOnce`] to [`FourDeep`] are tried one after the other, [`Harmless`] is what remains.
//! Generic parameters and trait objects implement none of it, and pass.
//!
//! **Which function?** Every function has a type of its own. [`Pair`] has an inherent method if its two types are one,
//! and one of a trait otherwise; inherent methods come first.
//!
//! **Why a trait for each entry?** The compiler's message is the trait's, and only a trait that is called by its path
//! gives an error that points nowhere but into the user's code. The verdict of a receiver is a tuple with a field for
//! each entry that has the method's name; all but one are [`Fine`].
//!
//! The code diverges ([`never`]), so that what it moves is not moved for the code behind it.
//!
//! The user's receiver stands in the same scope as the probe. So the traits are imported without their names, and
//! everything else is written out in full.

use std::marker::PhantomData;
use std::ops::Deref;

fiber_macros::blocking_table!();

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

/// A receiver, and the method that is called on it.
///
/// The method stands in the type: as an argument of `__fiber_verdict` it would have no part in the choice.
#[derive(Debug)]
pub struct Receiver<'a, M, T: ?Sized>(pub M, pub &'a T);

/// A receiver that is a raw pointer. It is looked at by value, because a reference to it may not be allowed.
#[derive(Debug)]
pub struct Pointer<M>(PhantomData<M>);

impl<M: Method> Pointer<M> {
    /// Nothing of std blocks on a raw pointer.
    pub fn __fiber_verdict(&self) -> Verdict<Fine, M::Harmless> {
        never()
    }
}

/// Makes a place a [`Receiver`] by a method call, so that it is borrowed, captured and dereferenced as in the real call.
pub trait ByReference {
    /// See [`Receiver`].
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

type Target<T> = <T as Deref>::Target;

/// The receivers of one depth: a trait with the method `__fiber_verdict`, for so many references to a [`Receiver`]. The more
/// references, the earlier the compiler tries it.
macro_rules! depth {
    ($(#[$doc:meta])* $depth:ident, [$($reference:tt)*], $decider:ty $(where $($derefs:tt)*)?) => {
        $(#[$doc])*
        pub trait $depth {
            /// See [`Denied`].
            type Candidates;
            /// The type that decides says that it blocks.
            fn __fiber_verdict(&self) -> Verdict<Blocks, Self::Candidates> {
                never()
            }
        }

        impl<M, T: ?Sized> $depth for $($reference)* Receiver<'_, M, T>
        where
            $($($derefs)*)?
            $decider: Denied<M>,
        {
            type Candidates = <$decider as Denied<M>>::Candidates;
        }
    };
}

depth! {
    /// The receiver itself decides.
    AtOnce, [&&&&&], T
}
depth! {
    /// What it points to decides.
    OneDeep, [&&&&], Target<T> where T: Deref,
}
depth! {
    /// What that points to decides.
    TwoDeep, [&&&], Target<Target<T>> where T: Deref, Target<T>: Deref,
}
depth! {
    /// And so on.
    ThreeDeep, [&&], Target<Target<Target<T>>> where T: Deref, Target<T>: Deref, Target<Target<T>>: Deref,
}
depth! {
    /// And so on.
    FourDeep, [&], Target<Target<Target<Target<T>>>>
    where T: Deref, Target<T>: Deref, Target<Target<T>>: Deref, Target<Target<Target<T>>>: Deref,
}

/// Nobody says that it blocks.
pub trait Harmless {
    /// See [`Method::Harmless`].
    type Candidates;
    /// It does not block.
    fn __fiber_verdict(&self) -> Verdict<Fine, Self::Candidates> {
        never()
    }
}

impl<M: Method, T: ?Sized> Harmless for Receiver<'_, M, T> {
    type Candidates = M::Harmless;
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
}

impl<T> Beside for T {}

impl<A> Pair<'_, A, A> {
    /// They are one.
    pub fn __fiber_verdict(&self) -> Blocks {
        Blocks
    }
}

/// What remains if they are two.
pub trait Different {
    /// They are two.
    fn __fiber_verdict(&self) -> Fine {
        Fine
    }
}

impl<A, B> Different for Pair<'_, A, B> {}

impl Fine {
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
    pub use super::{
        AtOnce as _, Beside as _, ByPointer as _, ByReference as _, Different as _, FourDeep as _, Harmless as _,
        OneDeep as _, ThreeDeep as _, TwoDeep as _,
    };
}

/// Where the attributes insert it, a fiber may be made to yield. It never ends a fiber: code between two calls that may
/// wait was written as atomic.
#[inline(always)]
pub fn checkpoint() {}
