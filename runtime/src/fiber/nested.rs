//! Coroutines on top of whatever runs: a flow of control on a stack of its own that is entered like a call and leaves like a
//! return, with values going both ways.
//!
//! The second of the two files that name corosensei; [`context`] is the other.
//!
//! ```text
//!   worker's loop ──resume──► fiber ──resume──► coroutine ──resume──► coroutine
//!        ▲                                          │
//!        └──────────────── suspend ─────────────────┘   a wait leaves all of them; they stay on top of each other
//! ```
//!
//! # To whom a coroutine belongs
//!
//! A coroutine that has started belongs to the [`Flow`] that started it: a fiber, or a thread off its fibers. Its frames may
//! hold what is good on that flow only: frames of this crate hold references to the running fiber. So it is entered again, be it
//! to go on or to be unwound, only on that flow, and on a thread only until its thread-locals are being destroyed. Elsewhere it can only be
//! leaked.
//!
//! # What a coroutine takes along
//!
//! Time limits, shields and `no_suspend` are in force for what is called within them. A coroutine that suspends within such a call leaves it
//! without having returned from it, so at each suspension the [`Frame`] puts aside what the coroutine has set up, and at each entry
//! puts it in force again, on top of what its caller has by then. Walking from the innermost frame outwards visits all that is in
//! force.
//!
//! Rejected: one list through all stacks, relinked at each entry (a limit of the caller that ends while a coroutine is
//! suspended would be taken out of the middle); coroutines that change fibers as long as no frame of ours is on them (each place of
//! this crate that calls a closure would have to count itself, and nothing finds one that forgets to).

use super::context;
use super::overflow::Report;
use super::record::{Header, Own, drop_quietly};
use super::stack::{Stack, StackBounds};
use corosensei::CoroutineResult;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr;
use std::thread::Result as Outcome;

/// How often a coroutine that is to end may catch the unwinding and suspend again before it is given up.
const ATTEMPTS: u32 = 100;

/// What a thread has under way off its fibers.
struct Thread {
    innermost: Cell<*const Frame>,
    /// Whether a coroutine is being unwound to its end, rather than by a panic.
    raised: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const { Thread { innermost: Cell::new(ptr::null()), raised: Cell::new(false) } };
}

/// Whether the unwinding that goes on on this thread, off its fibers, is that of a coroutine which is dropped.
pub(crate) fn is_raised_on_thread() -> bool {
    THREAD.with(|thread| thread.raised.get())
}

/// Names a flow of control that coroutines belong to, a fiber or a thread off its fibers, among those of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// The fiber's identifier; zero for a thread.
    id: u64,
    /// Of a thread: not zero once its thread-locals are being destroyed.
    epoch: u32,
}

impl Flow {
    /// The fiber with this header.
    #[inline]
    pub(crate) fn fiber(header: &Header) -> Flow {
        Flow { id: header.id, epoch: 0 }
    }

    /// The calling thread, which runs no fiber now.
    #[inline]
    pub(crate) fn thread(epoch: u32) -> Flow {
        Flow { id: 0, epoch }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id == 0 { f.write_str("a thread") } else { write!(f, "fiber {}", self.id) }
    }
}

/// Where a flow keeps what coroutines exchange. Good while it runs.
#[derive(Clone, Copy)]
struct Keeper {
    innermost: *const Cell<*const Frame>,
    raised: *const Cell<bool>,
    /// Null for a thread.
    own: *const Own,
    /// Where it is kept which `no_suspend` section the fiber is in; null for a thread.
    no_suspend: *const Cell<Section>,
}

/// A `no_suspend` section, if there is one: where it was entered.
pub(crate) type Section = Option<&'static Location<'static>>;

/// The state of a running fiber, and the innermost of its `no_suspend` sections.
pub(crate) type OfFiber<'a> = (&'a Own, &'a Cell<Section>);

impl Keeper {
    /// That of the caller's flow: a fiber with this state, or the thread.
    fn current(fiber: Option<OfFiber<'_>>) -> Keeper {
        match fiber {
            Some((own, no_suspend)) => Keeper { innermost: &own.innermost, raised: &own.raised, own, no_suspend },
            None => THREAD.with(|thread| Keeper {
                innermost: &thread.innermost,
                raised: &thread.raised,
                own: ptr::null(),
                no_suspend: ptr::null(),
            }),
        }
    }
}

/// What a coroutine has in force, or what its caller had: see the module.
struct InForce {
    innermost: Cell<*const Frame>,
    limits: Cell<*const ()>,
    shielded: Cell<u32>,
    no_suspend: Cell<Section>,
}

/// The bottom of a coroutine's stack.
pub(crate) struct Frame {
    bounds: StackBounds,
    keeper: Keeper,
    /// While the coroutine runs: what its caller has. `innermost` is then the coroutine that it runs on top of.
    outside: InForce,
    /// While the coroutine is suspended: what it has. `innermost` is then itself, or a coroutine on top of it that suspended it.
    inside: InForce,
}

impl Frame {
    fn new(bounds: StackBounds, keeper: Keeper) -> Frame {
        let nothing = || InForce {
            innermost: Cell::new(ptr::null()),
            limits: Cell::new(ptr::null()),
            shielded: Cell::new(0),
            no_suspend: Cell::new(None),
        };
        Frame { bounds, keeper, outside: nothing(), inside: nothing() }
    }

    /// The coroutine begins to run, or goes on.
    #[inline]
    fn enter(&self) {
        self.exchange(&self.inside, &self.outside);
    }

    /// The coroutine suspends, or ends.
    #[inline]
    fn leave(&self) {
        self.exchange(&self.outside, &self.inside);
    }

    #[inline]
    fn exchange(&self, put: &InForce, keep: &InForce) {
        // SAFETY: coroutines run on the flow that they belong to and nowhere else (`Nested::enter` sees to it), so it is alive.
        let (innermost, own) = unsafe { (&*self.keeper.innermost, self.keeper.own.as_ref()) };
        keep.innermost.set(innermost.replace(put.innermost.get()));
        if let Some(own) = own {
            keep.limits.set(own.limits.replace(put.limits.get()));
            keep.shielded.set(own.shielded.replace(put.shielded.get()));
            // SAFETY: a fiber has it, and it is alive as the other two.
            keep.no_suspend.set(unsafe { &*self.keeper.no_suspend }.replace(put.no_suspend.get()));
        }
    }
}

/// The frames from `innermost` outwards. All of them are alive: they are below the caller, or the caller is a signal handler
/// that interrupted the innermost.
fn chain<'a>(innermost: *const Frame) -> impl Iterator<Item = &'a Frame> {
    // SAFETY: `enter` and `leave` keep the list equal to the coroutines that run, whose stacks are in use.
    std::iter::successors(unsafe { innermost.as_ref() }, |frame| unsafe { frame.outside.innermost.get().as_ref() })
}

/// The bounds of the running coroutine's stack, of which `fault` hits the guard. Safe in a signal handler.
pub(crate) fn overflowed(innermost: *const Frame, fault: usize) -> Option<StackBounds> {
    chain(innermost).map(|frame| frame.bounds).find(|bounds| bounds.guard().contains(&fault))
}

/// Whether `fault` hits the guard of a coroutine that runs on this thread off its fibers, and if so, which. Safe in a signal
/// handler.
pub(crate) fn overflowing_on_thread(fault: usize, report: &mut Report) -> bool {
    let Some(bounds) = overflowed(THREAD.with(|thread| thread.innermost.get()), fault) else {
        return false;
    };
    report.coroutine = true;
    report.stack_size = bounds.size();
    true
}

impl Own {
    /// Whether the fiber is in a shielded section, on this stack or on one below.
    pub(crate) fn is_shielded(&self) -> bool {
        self.shielded.get() > 0 || chain(self.innermost.get()).any(|frame| frame.outside.shielded.get() > 0)
    }

    /// The lists of time limits in force, the innermost first.
    pub(crate) fn limit_lists(&self) -> impl Iterator<Item = *const ()> {
        let outer = chain(self.innermost.get()).map(|frame| frame.outside.limits.get());
        std::iter::once(self.limits.get()).chain(outer)
    }

    /// The innermost `no_suspend` section in which a coroutine was entered.
    #[inline]
    pub(crate) fn stays_below(&self) -> Section {
        if self.innermost.get().is_null() {
            return None;
        }
        chain(self.innermost.get()).find_map(|frame| frame.outside.no_suspend.get())
    }

    /// Whether no time limit can be in force.
    #[inline]
    pub(crate) fn has_no_limits(&self) -> bool {
        self.limits.get().is_null() && self.innermost.get().is_null()
    }
}

/// What is sent into a coroutine.
enum Command<In> {
    /// With the caller's.
    Start(*const Keeper, In),
    Resume(In),
    Unwind,
}

/// The payload that unwinds a coroutine which is dropped; the address tells whose it is.
struct Ending(usize);

/// How a coroutine suspends: what its body gets.
pub(crate) struct Yielder<In, Out> {
    switch: *const corosensei::Yielder<Command<In>, Out>,
    frame: Frame,
}

impl<In, Out> Yielder<In, Out> {
    /// Leaves `value` with the caller and returns what it enters with next time.
    #[inline]
    pub(crate) fn suspend(&self, value: Out) -> In {
        self.frame.leave();
        // SAFETY: `self` stands in the coroutine's root frame, beside what it points to; and as `self` can leave neither the
        // thread nor the frames above that one, the caller runs on this coroutine or on one on top of it.
        let command = unsafe { (*self.switch).suspend(value) };
        self.frame.enter();
        match command {
            Command::Resume(value) => value,
            Command::Start(..) => unreachable!("a coroutine starts once"),
            Command::Unwind => resume_unwind(Box::new(Ending(self.address()))),
        }
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}

/// The captures of a body. A coroutine that was never entered drops them where no panic may come out.
struct Body<F>(ManuallyDrop<F>);

impl<F> Body<F> {
    fn into_inner(mut self) -> F {
        // SAFETY: taken once, as `self` is forgotten.
        let body = unsafe { ManuallyDrop::take(&mut self.0) };
        mem::forget(self);
        body
    }
}

impl<F> Drop for Body<F> {
    fn drop(&mut self) {
        // SAFETY: dropped once; `into_inner` forgets `self`.
        drop_quietly(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}

type Engine<In, Out, R> = corosensei::Coroutine<Command<In>, Out, Result<R, Box<dyn Any + Send>>, Stack>;

/// A coroutine that takes `In`s, leaves `Out`s and ends with an `R`. Dropped without [`end`](Self::end) it is leaked, stack and all.
pub(crate) struct Nested<In, Out, R> {
    engine: ManuallyDrop<Engine<In, Out, R>>,
    bounds: StackBounds,
    /// Whose it is, once started.
    flow: Option<Flow>,
    /// Whether it suspended in the middle of an unwinding of its own.
    unwinding: bool,
}

/// What came of entering a coroutine.
pub(crate) enum Left<Out, R> {
    Suspended(Out),
    Ended(Outcome<R>),
}

/// Why a coroutine was not entered.
#[derive(Debug)]
pub(crate) enum NotEntered {
    /// It has ended, or was given up.
    Done,
    /// It belongs to another flow than the caller's: this one.
    Elsewhere(Flow),
}

/// Why a coroutine cannot be brought to its end.
#[derive(Debug)]
pub(crate) enum Endless {
    /// It belongs to another flow than the caller's: this one.
    Elsewhere(Flow),
    /// It is suspended in a destructor that runs because of a panic: a second one would abort.
    Unwinding,
    /// It caught the unwinding, and suspended again, too often.
    Swallowed,
    /// The program is built so that nothing unwinds.
    NoUnwinding,
}

impl<In, Out, R> Nested<In, Out, R> {
    /// Prepares `body` to run on `stack`. Nothing runs before the first [`enter`](Self::enter).
    ///
    /// # Safety
    ///
    /// All that the body borrows, and the lifetimes in the other types, outlive the coroutine; if it is leaked, for ever.
    pub(crate) unsafe fn new<F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<In, Out>, In) -> R,
    {
        let bounds = stack.bounds();
        let body = Body(ManuallyDrop::new(body));
        let root = move |switch: &corosensei::Yielder<Command<In>, Out>, command| {
            let Command::Start(keeper, value) = command else { unreachable!("a coroutine starts first") };
            let body = body.into_inner();
            // SAFETY: it stands in the frame of `enter`, which waits for us.
            let keeper = unsafe { *keeper };
            let yielder = Yielder { switch, frame: Frame::new(bounds, keeper) };
            yielder.frame.inside.innermost.set(&yielder.frame);
            yielder.frame.enter();
            let mut outcome = catch_unwind(AssertUnwindSafe(|| body(&yielder, value)));
            yielder.frame.leave();
            if let Err(payload) = &mut outcome
                && let Some(ending) = payload.downcast_mut::<Ending>()
                && ending.0 == yielder.address()
            {
                ending.0 = OVER;
            }
            outcome
        };
        // SAFETY: passed on to the caller.
        let engine = unsafe { Engine::with_stack_unchecked(stack, root) };
        Nested { engine: ManuallyDrop::new(engine), bounds, flow: None, unwinding: false }
    }

    /// Whether it has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.engine.done()
    }

    /// Runs it on the caller's flow, this fiber or the thread, until it suspends or ends.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        current: Flow,
        fiber: Option<OfFiber<'_>>,
        value: In,
    ) -> Result<Left<Out, R>, NotEntered> {
        match self.flow {
            _ if self.engine.done() => Err(NotEntered::Done),
            Some(flow) if flow == current => Ok(self.switch(Command::Resume(value))),
            Some(flow) => Err(NotEntered::Elsewhere(flow)),
            None => {
                self.flow = Some(current);
                let keeper = Keeper::current(fiber);
                // Before the first switch to another stack on top of the fiber's.
                // SAFETY: the keeper's fiber is the running one.
                if let Some(slot) = unsafe { keeper.own.as_ref() }.and_then(Own::taken_slot) {
                    slot.note_coroutines();
                }
                Ok(self.switch(Command::Start(&keeper, value)))
            }
        }
    }

    #[inline]
    fn switch(&mut self, command: Command<In>) -> Left<Out, R> {
        let before = std::thread::panicking();
        match self.engine.resume(command) {
            CoroutineResult::Yield(value) => {
                let after = std::thread::panicking();
                // Once it has suspended in the middle of its own unwinding the thread counts as panicking until it is over.
                self.unwinding = after && (self.unwinding || !before);
                Left::Suspended(value)
            }
            CoroutineResult::Return(outcome) => Left::Ended(outcome),
        }
    }

    /// Brings it to its end on the caller's flow: drops the body if it has not started, unwinds it if it is suspended. Returns the
    /// panic that came instead, if one did.
    pub(crate) fn end(
        &mut self,
        current: Flow,
        fiber: Option<OfFiber<'_>>,
    ) -> Result<Option<Box<dyn Any + Send>>, Endless> {
        if self.engine.done() {
            return Ok(None);
        }
        match self.flow {
            None => {
                // Only drops the captures, and no panic comes out of that.
                self.engine.force_unwind();
                return Ok(None);
            }
            Some(flow) if flow != current => return Err(Endless::Elsewhere(flow)),
            Some(_) if cfg!(panic = "abort") => return Err(Endless::NoUnwinding),
            Some(_) => (),
        }
        // SAFETY: it is the caller's own flow, so it is alive.
        let raised = unsafe { &*Keeper::current(fiber).raised };
        let before = raised.replace(true);
        let outcome = self.unwind();
        raised.set(before);
        outcome
    }

    fn unwind(&mut self) -> Result<Option<Box<dyn Any + Send>>, Endless> {
        for _ in 0..ATTEMPTS {
            if self.unwinding {
                return Err(Endless::Unwinding);
            }
            match self.switch(Command::Unwind) {
                Left::Suspended(value) => drop_quietly(value),
                Left::Ended(Ok(value)) => {
                    drop_quietly(value);
                    return Ok(None);
                }
                Left::Ended(Err(payload)) => {
                    let ours = payload.downcast_ref::<Ending>().is_some_and(|ending| ending.0 == OVER);
                    return Ok((!ours).then_some(payload));
                }
            }
        }
        Err(Endless::Swallowed)
    }

    /// Takes out the stack of a coroutine that has ended.
    pub(crate) fn into_stack(mut self) -> Stack {
        assert!(self.engine.done(), "the stack of a coroutine is in use until it has ended");
        // SAFETY: the engine is not used again, as `self` is consumed and drops nothing. It was made with a stack of these bounds.
        unsafe { context::reclaim(&mut self.engine, self.bounds) }
    }
}

/// In the place of the address of a payload that has come to its coroutine's root.
const OVER: usize = 0;
