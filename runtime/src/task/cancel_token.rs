//! Cancelling what several fibers do, from anywhere.

use crate::fiber::record::FiberRef;
use crate::fiber::unwind::CancelReason;
use crate::sched::{Attempt, Current, End, Ended, Hand, Stranger, WaitQueue, Wakes, awaited, cancel, in_line, wait_in};
use crate::select::{Event, Selectable};
use crate::sys::sync::Lock;
use std::fmt;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Arc, Weak};

/// Cancels whatever runs under it: a request with all its parts, a connection, a whole server.
///
/// Clones are the same token. [`run`](Self::run) puts a call under it; [`child`](Self::child) makes a token that is cancelled with this one, or
/// before. What runs under a token passes it on to the fibers of its scopes, as it does with a time limit: they are cancelled and
/// awaited before the call ends.
///
/// Works from fibers and threads, across runtimes. Nothing but `run` needs a fiber.
///
/// ```
/// use fiber::{CancelReason, CancelToken};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let server = CancelToken::new();
/// let request = server.child();
/// let work = fiber::spawn({
///     let request = request.clone();
///     move || {
///         request.run(|| {
///             fiber::scope(|s| {
///                 s.spawn(fiber::park);
///                 s.spawn(fiber::park);
///             })
///         })
///     }
/// });
/// server.cancel();
/// assert!(work.join().unwrap().is_err());
/// assert_eq!(request.reason(), Some(CancelReason::User));
/// # });
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Shared>);

struct Shared {
    /// A [`CancelReason`], or zero.
    mark: AtomicU8,
    state: Lock<State>,
}

struct State {
    waiting: WaitQueue<()>,
    /// Fibers in [`CancelToken::run`], once for each call.
    governed: Vec<FiberRef>,
    children: Vec<Weak<Shared>>,
    /// With so many children, those that are gone are looked for.
    prune_at: usize,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        CancelToken::marked(0)
    }

    fn marked(mark: u8) -> CancelToken {
        let state = State { waiting: WaitQueue::new(), governed: Vec::new(), children: Vec::new(), prune_at: 8 };
        CancelToken(Arc::new(Shared { mark: AtomicU8::new(mark), state: Lock::new(state) }))
    }

    /// A token that is cancelled when this one is, for the same reason, and can be cancelled by itself.
    #[must_use]
    pub fn child(&self) -> CancelToken {
        let mut state = self.0.state.lock();
        // Under the lock: whoever cancels this one marks it first and takes the children after that, under the lock.
        let child = CancelToken::marked(self.0.mark.load(Acquire));
        if state.children.len() >= state.prune_at {
            state.children.retain(|child| child.strong_count() > 0);
            state.prune_at = (state.children.len() * 2).max(8);
        }
        state.children.push(Arc::downgrade(&child.0));
        child
    }

    /// Cancels what runs under it, and its children, with the reason [`CancelReason::User`]. The first reason stays. Does not wait.
    pub fn cancel(&self) {
        self.cancel_because(CancelReason::User);
    }

    /// As [`cancel`](Self::cancel), with another reason.
    pub fn cancel_because(&self, reason: CancelReason) {
        self.0.cancel(reason);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Why it was cancelled, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_number(self.0.mark.load(Acquire))
    }

    /// Runs `f` on the running fiber, and ends its waits when the token is cancelled: as [`timeout`](crate::time::timeout) does when its time
    /// has passed, with an error whose source is [`Cancelled`](crate::Cancelled) where the wait can return one, and by unwinding after that.
    ///
    /// # Errors
    ///
    /// Why it was cancelled, if `f` was unwound by that. If `f` returned, whatever it returned, that is the result.
    ///
    /// # Panics
    ///
    /// On a thread that is no fiber, which could not be interrupted.
    #[track_caller]
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> Result<T, CancelReason> {
        struct Governed<'a>(&'a Shared, FiberRef);
        impl Drop for Governed<'_> {
            fn drop(&mut self) {
                let governed = &mut self.0.state.lock().governed;
                if let Some(place) = governed.iter().position(|fiber| fiber.id == self.1.id) {
                    governed.swap_remove(place);
                }
            }
        }
        let current = Current::get()
            .expect("CancelToken::run was called on a thread that is not a fiber; run it in fiber::spawn");
        self.0.state.lock().governed.push(current.fiber());
        let _governed = Governed(&self.0, current.fiber());
        cancel::with_mark(current, &self.0.mark, f)
    }

    /// Waits until it is cancelled, and says why.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    pub fn cancelled(&self) -> CancelReason {
        loop {
            let state = self.0.state.lock();
            if let Some(reason) = self.reason() {
                return reason;
            }
            let hand = Hand::new(None);
            let end =
                wait_in(&self.0.state, state, |state| &mut state.waiting, &hand, crate::fiber::Reason::Token, None);
            if let End::Interrupted(interruption) = end {
                interruption.raise();
            }
        }
    }

    /// Its cancellation, as an event for [`select!`](crate::select!), where it is what `cancelled()` stands for.
    ///
    /// ```
    /// use fiber::sync::mpsc::channel;
    /// use fiber::{CancelToken, select};
    ///
    /// let (_sender, receiver) = channel::<u8>();
    /// let stop = CancelToken::new();
    /// stop.cancel();
    /// select! {
    ///     reason = stop.cancelled() => println!("stopped: {reason}"),
    ///     message = receiver.recv() => unreachable!("{message:?}"),
    /// }
    /// ```
    pub fn cancelled_event(&self) -> impl Event<Output = CancelReason> {
        in_line(Cancellation(self), None)
    }

    /// Waiting for its cancellation in async code: a future. It can be dropped at any time; nothing is lost. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn cancelled_async(&self) -> impl Future<Output = CancelReason> {
        awaited(Cancellation(self), None)
    }
}

impl Shared {
    fn cancel(&self, reason: CancelReason) {
        if self.mark.compare_exchange(0, reason as u8, AcqRel, Acquire).is_err() {
            return;
        }
        let mut wakes = Wakes::none();
        let (governed, children) = {
            let mut state = self.state.lock();
            state.waiting.grant_all(&mut wakes);
            // They take themselves out.
            (state.governed.clone(), std::mem::take(&mut state.children))
        };
        wakes.wake();
        governed.into_iter().for_each(FiberRef::wake);
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel(reason);
        }
    }
}

/// A token's cancellation as one of several things that may happen.
struct Cancellation<'a>(&'a CancelToken);

impl Attempt for Cancellation<'_> {
    type State = State;
    type Message = ();
    type Output = CancelReason;

    fn lock(&self) -> &Lock<State> {
        &self.0.0.state
    }

    fn queue(state: &mut State) -> &mut WaitQueue<()> {
        &mut state.waiting
    }

    fn attempt(&mut self, _: Option<()>) -> Result<CancelReason, Option<()>> {
        self.0.reason().ok_or(None)
    }

    fn must_wait(&self, _: &State, _: Stranger) -> bool {
        !self.0.is_cancelled()
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<CancelReason> {
        self.0.reason()
    }

    /// Nothing was handed over.
    fn give_back(&mut self, _: Option<()>) {}
}

/// Its cancellation.
impl Selectable for &CancelToken {
    type Output = CancelReason;

    fn into_event(self) -> impl Event<Output = CancelReason> {
        self.cancelled_event()
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("reason", &self.reason()).finish_non_exhaustive()
    }
}
