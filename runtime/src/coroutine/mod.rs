//! Coroutines: functions that hand out values on their way, and go on from there when they are called again.
//!
//! A [`Coroutine`] is resumed with a value and runs, on a stack of its own, until it suspends itself with another value or returns.
//! Control goes straight over and straight back, as in a call: there is no scheduler between, nothing is queued and nothing
//! wakes. These are the asymmetric coroutines of the C++ standards committee's paper N4024, *Distinguishing coroutines and fibers* (Kowalke
//! and Goodspeed, 2014). A [`Generator`] is one that only hands out: an iterator written as a loop.
//!
//! ```
//! use fiber::coroutine::Generator;
//!
//! let mut fibonacci = Generator::new(|yielder| {
//!     let (mut a, mut b) = (0_u64, 1);
//!     loop {
//!         yielder.suspend(a);
//!         (a, b) = (b, a + b);
//!     }
//! });
//! assert!(fibonacci.by_ref().take(8).eq([0, 1, 1, 2, 3, 5, 8, 13]));
//! assert_eq!(fibonacci.next(), Some(21));
//! ```
//!
//! Any function may suspend the coroutine, however deep in calls, as long as it has the [`Yielder`]: a walk over a tree stays
//! the recursion that it is.
//!
//! # With fibers and without
//!
//! Coroutines need no runtime; a plain thread can use them. On a fiber, everything that suspends the fiber may be called in a
//! coroutine (`fiber::time::sleep`, reading from a socket, a lock): the fiber is suspended with the coroutine on top, and wakes
//! there. Time limits, cancellation and panics go through: they unwind the coroutine and then its caller. In a coroutine
//! on a plain thread such calls do what they do on that thread.
//!
//! # Where a coroutine may be used
//!
//! It stays on its thread: it is not `Send`, because nothing shows what its stack holds. Before its first resumption it may be
//! moved to other fibers of the worker. Once started it belongs to the fiber (or the thread, off the fibers) that started it;
//! resumed elsewhere it panics, because its frames may hold what is that fiber's alone. What it borrows has to be `'static`,
//! for it may be forgotten; [`Coroutine::scope`] and [`Generator::scope`] let it borrow for the length of a call.
//!
//! A time limit or a shield that the body is within when it suspends itself stays the body's: it is not in force for the caller, and is
//! again when the body goes on. `thread_local!`s, and the count of panics of the thread, are shared, as between fibers.
//!
//! # The end of a coroutine
//!
//! A panic ends it and continues in the caller of `resume` or `next`. One that is dropped before its end is unwound: a
//! private panic without a message runs from the point where it is suspended to its root, and destructors run. Locks of
//! [`sync`](crate::sync) are not poisoned by that, std's are. A body that catches it and suspends again is unwound again, a hundred times.
//!
//! A stack that cannot be unwound is leaked with all that it holds, never torn down: when a coroutine is forgotten
//! ([`std::mem::forget`]), when one that has started is dropped on another fiber (or after its own has ended), when it suspended in a destructor during a panic, when it swallows each unwinding, and with
//! `panic = "abort"`. A scoped coroutine cannot be leaked, because it borrows: there the last three abort the process with a message.
//!
//! One combination is not always found out: a started coroutine that is kept in a `thread_local!` until the thread ends (or the
//! process, by [`std::process::exit`] on that thread), suspended within `LocalKey::with` of another `thread_local!` that was first used
//! later. It is leaked, as above, if the first one was in use before any coroutine was made on the thread; otherwise it is unwound, and
//! its destructors may see the other value destroyed. No order in which thread-locals are destroyed is promised to anybody, and nobody
//! is told when that begins. Keep started coroutines in variables of functions.
//!
//! # Cost
//!
//! | | on a thread | on a fiber | corosensei alone |
//! | --- | --- | --- | --- |
//! | resume and suspend | 11 ns | 14 ns | 5 ns |
//! | make, run to its end and drop | 69 ns | 54 ns | 8 ns, on a stack that is there |
//!
//! Medians of `benches/coroutine.rs` on an AMD EPYC (Zen 3) in a busy virtual machine. The difference in the first row is the
//! look whose coroutine it is, and what a suspension puts aside; in the second, finding a stack.
//!
//! A stack takes 256 KiB of address space unless [`Builder::stack_size`] says otherwise, of which the pages that are
//! touched become memory, one at least. Each has a guard page; an overflow ends the process with a message that
//! names the fiber and the size.
//!
//! # This room
//!
//! Owns the public types and where their stacks come from (`stacks`); the switch itself is `fiber::nested`'s, which says what
//! a suspension takes along. Calls `fiber` and `sched`.
//!
//! Rejected: coroutines that change fibers, see `fiber::nested`; borrowing without a closure around it, as a coroutine that is
//! forgotten leaves what it lent to threads behind (corosensei's issues 27 and 59); a body of type `async`, which could not
//! suspend below its own frame.

mod builder;
mod generator;
mod raw;
mod scoped;
mod stacks;

pub use builder::Builder;
pub use generator::Generator;
pub use scoped::{ScopedCoroutine, ScopedGenerator};

use crate::fiber::nested;
use raw::Raw;
use std::fmt;
use std::ptr;

/// What a resumption gave.
///
/// As the unstable `std::ops::CoroutineState`.
///
/// ```
/// use fiber::coroutine::{Coroutine, CoroutineState};
///
/// let mut once = Coroutine::new(|yielder, ()| {
///     yielder.suspend("on its way");
///     "at the end"
/// });
/// assert_eq!(once.resume(()), CoroutineState::Yielded("on its way"));
/// assert_eq!(once.resume(()), CoroutineState::Complete("at the end"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoroutineState<Y, R> {
    /// The coroutine suspended itself with this value.
    Yielded(Y),
    /// The coroutine returned this value and has ended.
    Complete(R),
}

/// How the body of a coroutine suspends itself: the first argument that it is called with.
///
/// `Input` is what resumptions pass in, `Yield` what suspensions hand out. It stays on the coroutine:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<&fiber::coroutine::Yielder<(), ()>>();
/// ```
#[repr(transparent)]
pub struct Yielder<Input, Yield>(nested::Yielder<Input, Yield>);

impl<Input, Yield> Yielder<Input, Yield> {
    fn wrap(yielder: &nested::Yielder<Input, Yield>) -> &Self {
        // SAFETY: it is nothing but the one in it (`repr(transparent)`).
        unsafe { &*ptr::from_ref(yielder).cast() }
    }

    /// Suspends the coroutine: the resumption that runs it returns `value`, and this call returns what the next one passes in.
    ///
    /// Called on another coroutine on top of it (a scoped one, whose body borrowed the yielder), it suspends both; the next
    /// resumption goes on in the upper one.
    ///
    /// It unwinds, without a message, when the coroutine is dropped instead of resumed.
    ///
    /// ```
    /// use fiber::coroutine::{Coroutine, CoroutineState};
    ///
    /// let mut sum = Coroutine::new(|yielder, first: i32| {
    ///     let mut sum = first;
    ///     loop {
    ///         sum += yielder.suspend(sum);
    ///     }
    ///     # #[expect(unreachable_code)]
    ///     # ()
    /// });
    /// assert_eq!(sum.resume(1), CoroutineState::Yielded(1));
    /// assert_eq!(sum.resume(10), CoroutineState::Yielded(11));
    /// ```
    #[inline]
    pub fn suspend(&self, value: Yield) -> Input {
        self.0.suspend(value)
    }
}

impl<Input, Yield> fmt::Debug for Yielder<Input, Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// A function that suspends itself on its way: it takes an `Input` at each resumption, hands out a `Yield` at each suspension, and
/// ends with a `Return`.
///
/// Works on fibers and on threads; see the [module](self) for what it may do where, and what dropping it does.
///
/// # Examples
///
/// A parser that is fed as bytes arrive, written as a function that reads:
///
/// ```
/// use fiber::coroutine::{Coroutine, CoroutineState};
///
/// let mut line = Coroutine::new(|yielder, first: char| {
///     let (mut line, mut next) = (String::new(), first);
///     while next != '\n' {
///         line.push(next);
///         next = yielder.suspend(());
///     }
///     line
/// });
/// let done = "GET /\nrest".chars().find_map(|c| match line.resume(c) {
///     CoroutineState::Yielded(()) => None,
///     CoroutineState::Complete(line) => Some(line),
/// });
/// assert_eq!(done.as_deref(), Some("GET /"));
/// ```
///
/// It stays on its thread, and owns what it uses:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<fiber::coroutine::Coroutine<(), (), ()>>();
/// ```
///
/// ```compile_fail,E0597
/// # use fiber::coroutine::Coroutine;
/// let mut coroutine: Coroutine<(), (), usize>;
/// let text = String::from("gone first");
/// coroutine = Coroutine::new(|_, ()| text.len());
/// ```
pub struct Coroutine<Input, Yield, Return>(Raw<Input, Yield, Return>);

impl<Input: 'static, Yield: 'static, Return: 'static> Coroutine<Input, Yield, Return> {
    /// Makes a coroutine with the default stack. Its body does not run before the first resumption, which passes the second
    /// argument.
    ///
    /// # Panics
    ///
    /// Without memory for a stack; [`Builder::coroutine`] gives an error instead.
    #[must_use = "a coroutine does nothing until it is resumed"]
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
    {
        Builder::new().coroutine(body).expect("a stack for a coroutine")
    }
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    /// Runs the coroutine until it suspends itself or returns.
    ///
    /// # Panics
    ///
    /// With the panic of the body, which ends the coroutine. If it has ended. If another fiber has started it.
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, value: Input) -> CoroutineState<Yield, Return> {
        self.0.resume(value)
    }

    /// Whether it has ended: returned, or panicked.
    ///
    /// ```
    /// # use fiber::coroutine::Coroutine;
    /// let mut coroutine = Coroutine::<u8, (), u8>::new(|_, n| n + 1);
    /// assert!(!coroutine.is_done());
    /// coroutine.resume(1);
    /// assert!(coroutine.is_done());
    /// ```
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    /// Makes a coroutine that may borrow, runs `f` with it, and ends it before it returns: with its own return, or unwound.
    ///
    /// # Panics
    ///
    /// Without memory for a stack. With the panic of `f`, or one that the coroutine ended with when it was unwound.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::coroutine::Coroutine;
    ///
    /// let (words, mut lengths) = (["a", "few", "words"], Vec::new());
    /// Coroutine::scope(
    ///     |yielder, ()| words.iter().for_each(|word| yielder.suspend(lengths.push(word.len()))),
    ///     |coroutine| {
    ///         coroutine.resume(());
    ///         coroutine.resume(());
    ///     },
    /// );
    /// assert_eq!(lengths, [1, 3]);
    /// ```
    ///
    /// It cannot leave the scope, nor be exchanged for the coroutine of another one:
    ///
    /// ```compile_fail
    /// # use fiber::coroutine::Coroutine;
    /// Coroutine::<(), (), ()>::scope(|_, ()| (), |outer| {
    ///     Coroutine::<(), (), ()>::scope(|_, ()| (), |inner| std::mem::swap(outer, inner));
    /// });
    /// ```
    #[track_caller]
    pub fn scope<F, G, T>(body: F, f: G) -> T
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
        G: for<'scope> FnOnce(&mut ScopedCoroutine<'scope, Input, Yield, Return>) -> T,
    {
        Builder::new().scope_coroutine(body, f).expect("a stack for a coroutine")
    }
}

impl<Input, Yield, Return> fmt::Debug for Coroutine<Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
