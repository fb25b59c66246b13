//! Several things at once in a frame that waits for all of them: `join!`, `try_join!`, `race`.
//!
//! Each is a [`scope`] with one fiber for each part, so parts may borrow, and nothing goes on behind the caller's back.

use super::scope::{Scope, ScopedJoinHandle, scope};
use crate::fiber::record::drop_quietly;
use crate::fiber::unwind::CancelReason;
use crate::sched::{Current, cancel};
use std::any::Any;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

/// Runs several closures at once, each on a fiber, and returns the result of the first to finish. The others are cancelled, with the
/// reason [`CancelReason::SiblingFailed`], and awaited; their results are dropped.
///
/// The closures may borrow. For closures of different types, box them. Works from fibers and threads.
///
/// # Panics
///
/// If one of them panics, with that panic, when the others have ended. If there are none. On a thread, if no runtime is up.
///
/// # Examples
///
/// ```
/// use fiber::time::{Duration, sleep};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let delays = [50, 1, 70].map(Duration::from_millis);
/// let first = fiber::race(delays.iter().map(|delay| {
///     move || {
///         sleep(*delay);
///         delay.as_millis()
///     }
/// }));
/// assert_eq!(first, 1);
/// # });
/// ```
#[track_caller]
pub fn race<I, F, T>(contestants: I) -> T
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> T + Send,
    T: Send,
{
    let first = Mutex::new(None);
    let mut any = false;
    scope(|s| {
        let first = &first;
        for contestant in contestants {
            any = true;
            s.spawn(move || {
                let result = part(s, contestant);
                lock(first).get_or_insert(result);
                s.fail();
            });
        }
    });
    assert!(any, "fiber::race has to have somebody to wait for");
    first.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| cut_short())
}

/// Runs a part; if it is unwound, its siblings are to end.
fn part<T>(scope: &Scope<'_, '_>, f: impl FnOnce() -> T) -> T {
    struct OnUnwind<'a, 'scope, 'env>(&'a Scope<'scope, 'env>);
    impl Drop for OnUnwind<'_, '_, '_> {
        fn drop(&mut self) {
            self.0.fail();
        }
    }
    let unwound = OnUnwind(scope);
    let result = f();
    std::mem::forget(unwound);
    result
}

fn lock<T>(slot: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part has no result because it was cancelled by somebody else: then so is the whole.
fn cut_short() -> ! {
    if let Some(current) = Current::get() {
        cancel::cancel(&current.fiber(), CancelReason::SiblingFailed);
        current.interruption_point();
    }
    panic!("a part of what was to be done together was cancelled");
}

/// Waits for a part: its result, unless it was cancelled. A panic is kept, if it is the first.
fn wait_for<T>(part: ScopedJoinHandle<'_, T>, panic: &mut Option<Box<dyn Any + Send>>) -> Option<T> {
    match part.join() {
        Ok(result) => Some(result),
        Err(error) => {
            match error.try_into_panic() {
                Ok(payload) => keep_first(panic, payload),
                Err(error) if error.is_cancelled() => {}
                Err(error) => panic!("{error}"),
            }
            None
        }
    }
}

fn go_on_with(panic: Option<Box<dyn Any + Send>>) {
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

fn keep_first(first: &mut Option<Box<dyn Any + Send>>, payload: Box<dyn Any + Send>) {
    match first {
        Some(_) => drop_quietly(payload),
        None => *first = Some(payload),
    }
}

/// Closures that run at once.
#[doc(hidden)]
pub trait Together {
    /// Their results.
    type Results;

    /// Runs each on a fiber.
    fn together(self) -> Self::Results;
}

/// Fallible closures that run at once.
#[doc(hidden)]
pub trait TryTogether<E> {
    /// What they give if none fails.
    type Results;

    /// Runs each on a fiber, and cancels the others if one fails.
    fn try_together(self) -> Result<Self::Results, E>;
}

macro_rules! for_tuples {
    ($(($($f:ident $t:ident)*))*) => {$(
        #[allow(non_snake_case)]
        impl<$($f, $t),*> Together for ($($f,)*)
        where
            $($f: FnOnce() -> $t + Send, $t: Send,)*
        {
            type Results = ($($t,)*);

            fn together(self) -> Self::Results {
                let ($($f,)*) = self;
                let results = scope(|s| {
                    $(let $f = s.spawn(move || part(s, $f));)*
                    let mut panic = None;
                    $(let $f = wait_for($f, &mut panic);)*
                    go_on_with(panic);
                    Some(($($f?,)*))
                });
                results.unwrap_or_else(|| cut_short())
            }
        }

        #[allow(non_snake_case)]
        impl<E: Send, $($f, $t),*> TryTogether<E> for ($($f,)*)
        where
            $($f: FnOnce() -> Result<$t, E> + Send, $t: Send,)*
        {
            type Results = ($($t,)*);

            fn try_together(self) -> Result<Self::Results, E> {
                let ($($f,)*) = self;
                let failure = Mutex::new(None);
                let results = scope(|s| {
                    let failure = &failure;
                    $(let $f = s.spawn(move || {
                        match part(s, $f) {
                            Ok(value) => Some(value),
                            Err(error) => {
                                // What others fail with because they are cancelled comes later.
                                lock(failure).get_or_insert(error);
                                s.fail();
                                None
                            }
                        }
                    });)*
                    let mut panic = None;
                    $(let $f = wait_for($f, &mut panic).flatten();)*
                    go_on_with(panic);
                    Some(($($f?,)*))
                });
                match (failure.into_inner().unwrap_or_else(PoisonError::into_inner), results) {
                    (Some(error), _) => Err(error),
                    (None, Some(results)) => Ok(results),
                    (None, None) => cut_short(),
                }
            }
        }
    )*};
}

for_tuples! {
    (F1 T1)
    (F1 T1 F2 T2)
    (F1 T1 F2 T2 F3 T3)
    (F1 T1 F2 T2 F3 T3 F4 T4)
    (F1 T1 F2 T2 F3 T3 F4 T4 F5 T5)
    (F1 T1 F2 T2 F3 T3 F4 T4 F5 T5 F6 T6)
    (F1 T1 F2 T2 F3 T3 F4 T4 F5 T5 F6 T6 F7 T7)
    (F1 T1 F2 T2 F3 T3 F4 T4 F5 T5 F6 T6 F7 T7 F8 T8)
}

/// What `join!` and `try_join!` call.
#[doc(hidden)]
pub mod v1 {
    use super::{Together, TryTogether};

    pub fn join<T: Together>(parts: T) -> T::Results {
        parts.together()
    }

    pub fn try_join<E, T: TryTogether<E>>(parts: T) -> Result<T::Results, E> {
        parts.try_together()
    }
}

/// Evaluates up to eight expressions at once, each on a fiber, and gives a tuple of their values when all are there.
///
/// The expressions may borrow from around; what they borrow and give is `Send`. `?`, `return` and `break` cannot lead out of them. If one
/// panics, the others are cancelled and awaited, and the panic goes on here. If the caller is cancelled, so are they. Works from fibers
/// and threads; on a thread it panics if no runtime is up.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let text = String::from("to be or not to be");
/// let (words, vowels) = fiber::join!(text.split(' ').count(), text.matches(['a', 'e', 'i', 'o', 'u']).count());
/// assert_eq!((words, vowels), (6, 6));
/// # });
/// ```
#[macro_export]
macro_rules! join {
    ($($part:expr),+ $(,)?) => {
        $crate::together::join(($(|| $part,)+))
    };
}

/// As [`join!`], of expressions that give a `Result`: a tuple of their values, or the error of the first that fails. Then the others are
/// cancelled, with the reason [`CancelReason::SiblingFailed`], and awaited.
///
/// All have the same type of error.
///
/// ```
/// use std::num::ParseIntError;
///
/// fn parse(text: &str) -> Result<i32, ParseIntError> {
///     text.parse()
/// }
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// assert_eq!(fiber::try_join!(parse("1"), parse("2")), Ok((1, 2)));
/// let never = || {
///     fiber::park();
///     Ok(0)
/// };
/// assert!(fiber::try_join!(never(), parse("two")).is_err());
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
    ($($part:expr),+ $(,)?) => {
        $crate::together::try_join(($(|| $part,)+))
    };
}
