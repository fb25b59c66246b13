//! Something that is done once.
//!
//! One byte: how far it is, and `WAITED` while somebody may be in the list. Whoever does it wakes all that wait when it is
//! done, which lets all of them go on.

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList, is_panicking};
use crate::sys::sync::ConstAtomicU8;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const INCOMPLETE: u8 = 0;
const POISONED: u8 = 1;
const RUNNING: u8 = 2;
const COMPLETE: u8 = 3;
const WAITED: u8 = 4;

/// A one-time initialisation, as [`std::sync::Once`]: whoever comes while it is under way suspends its fiber, not the worker.
///
/// The initialisation may wait. It works between fibers, between threads, where waiting parks the thread, and across; also
/// across runtimes.
///
/// A panic in it poisons, as std's. If the fiber that runs it is cancelled, and it unwinds for that, nothing was done, and the next
/// one begins anew.
///
/// # Examples
///
/// ```
/// use fiber::sync::Once;
///
/// static START: Once = Once::new();
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// for _ in 0..3 {
///     fiber::spawn(|| START.call_once(|| println!("printed once")));
/// }
/// START.wait();
/// assert!(START.is_completed());
/// # });
/// ```
pub struct Once {
    state: ConstAtomicU8,
    waiters: WaitList,
}

// A panic that leaves it half done leaves it poisoned.
impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// What the closure of [`Once::call_once_force`] is told.
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Whether an earlier attempt panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl Once {
    /// Not done yet.
    #[expect(clippy::new_without_default, reason = "std's has none either")]
    #[must_use]
    pub const fn new() -> Once {
        Once { state: ConstAtomicU8::new(INCOMPLETE), waiters: WaitList::new() }
    }

    /// Runs `f` if nobody has; waits if somebody does it at the moment. When this returns, it is done.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Panics
    ///
    /// If an earlier attempt panicked; and if `f` panics, which poisons.
    ///
    /// If `f` calls this on the same `Once`, it waits for itself, for good.
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(false, &mut |_| {
                f.take().expect("it is called once")();
                true
            });
        }
    }

    /// As [`call_once`](Self::call_once), also if an earlier attempt panicked.
    ///
    /// # Panics
    ///
    /// If `f` panics, which poisons.
    ///
    /// ```
    /// use fiber::sync::Once;
    ///
    /// let once = Once::new();
    /// assert!(std::thread::scope(|s| s.spawn(|| once.call_once(|| panic!("in vain"))).join()).is_err());
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// once.call_once(|| unreachable!("it is done"));
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(true, &mut |state| {
                f.take().expect("it is called once")(state);
                true
            });
        }
    }

    /// Whether it is done. If so, all that `f` did is visible.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.state.load(Acquire) & !WAITED == COMPLETE
    }

    /// Waits until somebody has done it.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Panics
    ///
    /// If an attempt panicked.
    #[track_caller]
    pub fn wait(&self) {
        if !self.is_completed() {
            self.await_completion(false);
        }
    }

    /// As [`wait`](Self::wait), but if an attempt panicked, waits for one that does not.
    pub fn wait_force(&self) {
        if !self.is_completed() {
            self.await_completion(true);
        }
    }

    /// Runs `f`, which says whether it has done it; waits while another does. `f` is not called after it returned `true`, and
    /// again after it returned `false` only by another caller.
    #[cold]
    #[track_caller]
    pub(super) fn call(&self, force: bool, f: &mut dyn FnMut(&OnceState) -> bool) {
        loop {
            let state = self.state.load(Acquire);
            match state & !WAITED {
                COMPLETE => return,
                POISONED if !force => panic!("Once instance has previously been poisoned"),
                RUNNING => self.wait_while(|state| state == RUNNING),
                before => {
                    if self.state.compare_exchange(state, RUNNING | state & WAITED, Acquire, Acquire).is_ok() {
                        let mut running = Running { once: self, becomes: None };
                        let done = f(&OnceState { poisoned: before == POISONED });
                        running.becomes = Some(if done { COMPLETE } else { before });
                        return;
                    }
                }
            }
        }
    }

    #[cold]
    #[track_caller]
    fn await_completion(&self, force: bool) {
        loop {
            match self.state.load(Acquire) & !WAITED {
                COMPLETE => return,
                POISONED if !force => panic!("Once instance has previously been poisoned"),
                _ => self.wait_while(|state| state != COMPLETE && (force || state != POISONED)),
            }
        }
    }

    /// Waits until there was a change, if the state is one to wait in.
    fn wait_while(&self, waits: impl Fn(u8) -> bool) {
        // Under the list's lock: whoever ends the state either sees the mark, or has ended it already.
        let must_wait = || {
            let mut state = self.state.load(Relaxed);
            while waits(state & !WAITED) {
                match self.state.compare_exchange_weak(state, state | WAITED, Relaxed, Relaxed) {
                    Ok(_) => return true,
                    Err(seen) => state = seen,
                }
            }
            false
        };
        if let Err(GaveUp::Interrupted(interruption)) = self.waiters.wait(Reason::Once, None, false, must_wait) {
            interruption.raise();
        }
    }
}

/// An attempt under way; ends it when dropped.
struct Running<'a> {
    once: &'a Once,
    /// What the attempt ends in; `None` if it unwinds.
    becomes: Option<u8>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // The unwinding is that of a cancellation, or a panic: an attempt that was made in the course of another unwinding
        // has told what it ends in.
        let becomes = self.becomes.unwrap_or(if is_panicking() { POISONED } else { INCOMPLETE });
        if self.once.state.swap(becomes, Release) & WAITED != 0 {
            self.once.waiters.wake_all();
        }
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl fmt::Debug for OnceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceState").field("poisoned", &self.is_poisoned()).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// An initialisation and what it wrote.
    struct Value {
        once: Once,
        value: loom::cell::UnsafeCell<usize>,
    }

    // SAFETY: the value is written by the initialisation and read after it; loom checks that.
    unsafe impl Sync for Value {}
    // SAFETY: as above.
    unsafe impl Send for Value {}

    impl Value {
        fn new() -> Arc<Value> {
            let value = Value { once: Once::new(), value: loom::cell::UnsafeCell::new(0) };
            // Makes the atomics before any thread starts.
            assert!(!value.once.is_completed());
            Arc::new(value)
        }

        fn initialise(&self) {
            // SAFETY: it runs once, before any reading; loom checks that.
            self.once.call_once(|| self.value.with_mut(|value| unsafe { *value += 1 }));
        }

        fn value(&self) -> usize {
            // SAFETY: after the initialisation; loom checks that.
            self.value.with(|value| unsafe { *value })
        }
    }

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(2);
        bounded.check(model);
    }

    /// Two that want it done and one that waits for it: it is done once, before anybody goes on.
    #[test]
    fn loom_once_is_done_once_and_seen_by_all() {
        check(|| {
            let value = Value::new();
            let waits = thread::spawn({
                let value = value.clone();
                move || {
                    value.once.wait();
                    value.value()
                }
            });
            let other = thread::spawn({
                let value = value.clone();
                move || {
                    value.initialise();
                    value.value()
                }
            });
            value.initialise();
            assert_eq!([value.value(), other.join().unwrap(), waits.join().unwrap()], [1; 3]);
        });
    }

    /// An attempt that comes to nothing: one that came meanwhile makes the next.
    #[test]
    fn loom_once_an_attempt_in_vain_is_followed_by_the_next() {
        check(|| {
            let value = Value::new();
            let other = thread::spawn({
                let value = value.clone();
                move || {
                    value.initialise();
                    value.value()
                }
            });
            value.once.call(false, &mut |_| false);
            assert_eq!(other.join().unwrap(), 1);
        });
    }
}
