//! One fiber from its spawn to the last handle: its closure, then its result, and everything about it that is shared.
//!
//! A [`Record`] is one heap block. Its [`Header`] has the same layout whatever the closure, so that queues and wakers
//! carry a thin pointer. Life of a record:
//!
//! 1. `spawn` allocates it with the closure in its stage and two references, the runtime's and the handle's.
//! 2. A worker takes it from a queue, gives it a slot and a stack, and on that stack [`FiberRef::run`] consumes the closure and
//!    leaves the result in the stage.
//! 3. The join protocol (`join.rs`) decides who owns the result: the handle, or the fiber if the handle is gone. So the
//!    result of a `!Send` fiber is never dropped elsewhere than on the thread it was made on.
//! 4. The last reference frees the block; the stage is empty by then.

use super::block;
use super::identity::Identity;
use super::join::JoinState;
use super::locals::Locals;
use super::nested::Frame;
use super::roam::{Roam, Ties};
use super::slot::{Slot, SlotInfo};
use super::spans::Spans;
use super::stack::StackBounds;
use super::summons::Summons;
use super::unwind::{NotStarted, Raised};
use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire};
use crate::sys::sync::thread::Thread;
use crate::sys::sync::{AtomicBool, AtomicPtr, AtomicU8};
use std::alloc::Layout;
use std::any::Any;
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::task::Waker;
use std::thread::Result as Outcome;

/// Who waits: a fiber, or a thread that is no fiber.
#[derive(Clone)]
pub(crate) enum Waiter {
    /// Resumed by its worker.
    Fiber(FiberRef),
    /// Unparked by [`std::thread::Thread::unpark`].
    Thread {
        thread: Thread,
        /// Whether the thread is among those that [wait for nothing but fibers](crate::sys::threads::blocked) until woken.
        counted: bool,
    },
    /// A task of async code, whose executor polls it again.
    Task(Waker),
}

/// The part of a record that does not depend on the closure.
pub(crate) struct Header {
    functions: &'static Functions,
    pub(crate) id: u64,
    pub(crate) identity: Identity,
    /// With the count of references.
    pub(crate) join: JoinState<Waiter>,
    /// park/unpark: `EMPTY`, `PARKED` or `NOTIFIED`.
    pub(crate) permit: AtomicU8,
    /// Why the fiber is to end, if it is, and the `Home` of the worker that started it.
    pub(crate) summons: Summons,
    /// Whether the record is in its worker's inbox, or on its way there.
    pub(crate) posted: AtomicBool,
    /// The next record in the inbox; whoever set `posted` owns it until the worker clears the flag.
    pub(crate) next: AtomicPtr<Header>,
    /// Where the fiber is, if it may move.
    pub(crate) roam: Roam,
    /// What only the fiber's worker touches.
    pub(crate) own: Own,
}

/// State of a started fiber that its own worker alone reads and writes; of one that may move, whoever has it
/// ([`Course`](super::roam) says who that is).
#[derive(Default)]
pub(crate) struct Own {
    /// The fiber's slot; `None` before it starts and after it has ended.
    pub(crate) slot: Cell<Option<NonNull<Slot>>>,
    pub(crate) info: Cell<Option<NonNull<SlotInfo>>>,
    /// By priority, how often it is lent to the fiber (`sched::lend`).
    pub(crate) loans: Cell<[i32; 4]>,
    /// Where the worker keeps the fiber until it may start, plus one (`sched::delayed`); zero if none does.
    pub(crate) delayed: Cell<u32>,
    /// Where the fiber's stack lies.
    pub(crate) stack: Cell<Option<StackBounds>>,
    /// The innermost coroutine that runs on top of the fiber; null if none does. Kept by `nested`.
    pub(crate) innermost: Cell<*const Frame>,
    /// Its `tracing` spans, as far as they are its own matter.
    pub(crate) spans: Spans,
    /// Whether the worker that was to start it has given it to another. By whoever has taken it from a queue.
    pub(crate) given: Cell<bool>,
    /// Why the fiber is not to run.
    pub(crate) refused: Cell<Option<Box<NotStarted>>>,
    /// The innermost time limit that is in force (`sched::cancel`). On top of a coroutine: of those set within it; `nested` knows
    /// the others.
    pub(crate) limits: Cell<*const ()>,
    /// How many `shield`-like sections are open: cancellation is not raised within. On top of a coroutine as `limits`.
    pub(crate) shielded: Cell<u32>,
    /// Whether the fiber's own cancellation was already given to it as an error.
    pub(crate) told: Cell<bool>,
    /// Whether the call that the fiber is in has a part of its work to report, whatever becomes of the rest (`sched::io`).
    pub(crate) partly_done: Cell<bool>,
    /// Whether the fiber has waited before; see `sched::cancel`.
    pub(crate) settled: Cell<bool>,
    /// Whether the fiber is being unwound by cancellation rather than by a panic.
    pub(crate) raised: Cell<bool>,
    /// Whether the fiber is suspended, or was, in the middle of an unwinding.
    pub(crate) unwinding: Cell<bool>,
    /// What keeps it with its worker, if it may move otherwise.
    pub(crate) ties: Ties,
    /// The fiber's own variables, once it has one. Emptied by the fiber when it ends.
    pub(crate) locals: OnceCell<Box<Locals>>,
}

/// What a fiber does, by the type of its closure: an address that all of them have in common.
#[derive(Clone, Copy)]
pub(crate) struct Kind(pub(crate) usize);

/// What a record can do, by type of closure and result.
struct Functions {
    run: unsafe fn(NonNull<Header>) -> bool,
    refuse: unsafe fn(NonNull<Header>, Box<dyn Any + Send>),
    take: unsafe fn(NonNull<Header>, *mut ()),
    discard: unsafe fn(NonNull<Header>) -> Option<Box<dyn Any + Send>>,
    free: unsafe fn(NonNull<Header>),
}

/// A fiber's block on the heap.
#[repr(C)]
struct Record<F, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

enum Stage<F, T> {
    Closure(F),
    Result(Outcome<T>),
    Empty,
}

/// A counted reference to a fiber's record.
pub(crate) struct FiberRef(NonNull<Header>);

// SAFETY: what a header shares is atomic or immutable after `new`; `own` is touched by the fiber's worker alone (each access
// says why it is on that thread), and if the fiber may move, by whoever has it: it is passed on through `roam`, with acquire and release; the stage is passed by the join protocol, and `spawn`'s bounds (or `!Send` handles) decide
// where its content may go.
unsafe impl Send for FiberRef {}
// SAFETY: as above.
unsafe impl Sync for FiberRef {}

impl FiberRef {
    /// Allocates a record with two references: the one returned, for the queue, and one for the handle.
    pub(crate) fn spawn<F: FnOnce() -> T, T>(f: F, id: u64, mut identity: Identity) -> (FiberRef, Handle<T>) {
        let spans = Spans::new(std::mem::take(&mut identity.span));
        let roam = Roam::new(identity.is_migratable());
        let locals = identity.custom.as_mut().and_then(|custom| custom.locals.take());
        let block = block::take(Layout::new::<Record<F, T>>());
        // Built in place: the block is taken first. SAFETY: the block is new and has the size and alignment of the record.
        let write = |record| unsafe { block.cast::<Record<F, T>>().write(record) };
        write(Record {
            header: Header {
                functions: &Functions {
                    run: run::<F, T>,
                    refuse: refuse::<F, T>,
                    take: take::<F, T>,
                    discard: discard::<F, T>,
                    free: free::<F, T>,
                },
                id,
                identity,
                join: JoinState::new(),
                permit: AtomicU8::new(0),
                summons: Summons::new(),
                posted: AtomicBool::new(false),
                next: AtomicPtr::new(ptr::null_mut()),
                roam,
                own: Own { locals: locals.map_or_else(OnceCell::new, OnceCell::from), spans, ..Own::default() },
            },
            stage: UnsafeCell::new(Stage::<F, T>::Closure(f)),
        });
        let header = block.cast::<Header>();
        (FiberRef(header), Handle { fiber: FiberRef(header), result: PhantomData })
    }

    /// Gives the reference up as a pointer; [`from_raw`](Self::from_raw) takes it back.
    pub(crate) fn into_raw(self) -> *mut Header {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw), and each such pointer is taken back once.
    pub(crate) unsafe fn from_raw(raw: *mut Header) -> FiberRef {
        // SAFETY: `into_raw` gives non-null pointers.
        FiberRef(unsafe { NonNull::new_unchecked(raw) })
    }

    /// Consumes the closure on the stack that the caller stands on, and keeps the result or the panic. Whether it was a
    /// panic; an unwinding by cancellation is none.
    ///
    /// # Safety
    ///
    /// Called once, by the worker that took the record from its queue, on the fiber's own stack.
    pub(crate) unsafe fn run(&self) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { (self.functions.run)(self.0) }
    }

    /// Drops the closure unrun and keeps `why` as if it had panicked with it.
    ///
    /// # Safety
    ///
    /// As for [`run`](Self::run), instead of it.
    pub(crate) unsafe fn refuse(&self, why: Box<dyn Any + Send>) {
        // SAFETY: passed on to the caller.
        unsafe { (self.functions.refuse)(self.0, why) }
    }

    /// Drops the result that nobody will ask for, and returns the panic if it was one.
    ///
    /// # Safety
    ///
    /// The caller owns the result by the join protocol.
    pub(crate) unsafe fn discard(&self) -> Option<Box<dyn Any + Send>> {
        // SAFETY: passed on to the caller.
        unsafe { (self.functions.discard)(self.0) }
    }
}

impl Clone for FiberRef {
    fn clone(&self) -> Self {
        self.join.retain();
        FiberRef(self.0)
    }
}

impl Drop for FiberRef {
    #[inline]
    fn drop(&mut self) {
        if self.join.release() {
            // SAFETY: that was the last reference.
            unsafe { (self.functions.free)(self.0) }
        }
    }
}

impl Deref for FiberRef {
    type Target = Header;

    #[inline(always)]
    fn deref(&self) -> &Header {
        // SAFETY: the reference keeps the record alive.
        unsafe { self.0.as_ref() }
    }
}

impl Header {
    /// What it has in common with all fibers whose closure has the same type.
    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        Kind(ptr::from_ref(self.functions).addr())
    }

    /// Whether there is nothing in it to drop, which is so for most fibers that have ended: then the block can go as it is, for an eighth of what
    /// the destructors of all these empty fields take.
    #[inline]
    fn owns_nothing(&mut self) -> bool {
        // Every field, so that none is forgotten here that is added there.
        let Header { functions: _, id: _, identity, join, permit: _, summons: _, posted: _, next: _, roam: _, own } =
            self;
        let Identity { task: _, site: _, parent, custom, span } = identity;
        let Own {
            slot: _,
            info: _,
            loans: _,
            delayed: _,
            stack: _,
            innermost: _,
            spans,
            given: _,
            refused,
            limits: _,
            shielded: _,
            told: _,
            partly_done: _,
            settled: _,
            raised: _,
            unwinding: _,
            ties: _,
            locals,
        } = own;
        // One jump for all of them.
        parent.is_none()
            & custom.is_none()
            & span.is_none()
            & !join.has_waker()
            & spans.is_none()
            & refused.get_mut().is_none()
            & locals.get().is_none()
    }

    /// A panic that nobody will ask for: it goes to the parent, or to standard error.
    pub(crate) fn lose(&self, panic: Box<dyn Any + Send>) {
        match &self.identity.parent {
            Some(parent) => parent.child_panicked(panic),
            None => {
                super::report_lost_panic(self, &*panic);
                drop_quietly(panic);
            }
        }
    }
}

/// The right to a fiber's result. Holds one reference; dropping it abandons the fiber.
pub(crate) struct Handle<T> {
    pub(crate) fiber: FiberRef,
    result: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    /// The result, which is there, and of which nothing is left for the handle.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub(crate) fn take_out(&mut self) -> Outcome<T> {
        assert!(self.fiber.join.is_done(), "the result of a fiber is taken after it ended");
        let mut result = std::mem::MaybeUninit::<Outcome<T>>::uninit();
        // SAFETY: the fiber is done and was not abandoned (this handle still exists), so the result is this handle's; the
        // record was made with this `T`.
        unsafe { (self.fiber.functions.take)(self.fiber.0, result.as_mut_ptr().cast()) };
        // SAFETY: `take` wrote it.
        unsafe { result.assume_init() }
    }

    /// The result, which is there.
    pub(crate) fn take(mut self) -> Outcome<T> {
        let result = self.take_out();
        // The result is out: nothing is left to abandon, only the reference to give back.
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the reference is read out once.
        drop(unsafe { ptr::read(&this.fiber) });
        result
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.fiber.join.abandon() {
            // SAFETY: the fiber is done and this handle abandoned it second, so the result is this handle's.
            if let Some(panic) = unsafe { self.fiber.discard() } {
                self.fiber.lose(panic);
            }
        }
    }
}

/// Drops a value whose destructor may panic, and, should it, the panic, whose destructor may panic again: that one is
/// forgotten. For places that must not unwind.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value)))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic)))
    {
        std::mem::forget(again);
    }
}

/// # Safety
///
/// See [`FiberRef::run`].
unsafe fn run<F: FnOnce() -> T, T>(header: NonNull<Header>) -> bool {
    let record = header.cast::<Record<F, T>>();
    // SAFETY: the header begins a record of these types; the fiber's worker alone touches the stage before `DONE`.
    let stage = unsafe { record.as_ref() }.stage.get();
    // SAFETY: as above.
    let Stage::Closure(f) = std::mem::replace(unsafe { &mut *stage }, Stage::Empty) else {
        unreachable!("a fiber runs once");
    };
    let outcome = catch_unwind(AssertUnwindSafe(f));
    let panicked = outcome.as_ref().is_err_and(|payload| !payload.is::<Raised>());
    // SAFETY: as above; the old value is `Empty`.
    unsafe { *stage = Stage::Result(outcome) };
    panicked
}

/// # Safety
///
/// See [`FiberRef::refuse`].
unsafe fn refuse<F, T>(header: NonNull<Header>, why: Box<dyn Any + Send>) {
    let record = header.cast::<Record<F, T>>();
    // SAFETY: as in `run`.
    let stage = unsafe { record.as_ref() }.stage.get();
    // SAFETY: as in `run`.
    let closure = std::mem::replace(unsafe { &mut *stage }, Stage::Result(Err(why)));
    // A destructor of a captured value may panic; there is nobody to tell but the hook, which has run by then.
    drop_quietly(closure);
}

/// # Safety
///
/// See [`Handle::take`]: `out` has room for an `Outcome<T>`.
unsafe fn take<F, T>(header: NonNull<Header>, out: *mut ()) {
    let record = header.cast::<Record<F, T>>();
    // SAFETY: the caller owns the result, hence the stage.
    let stage = unsafe { &mut *record.as_ref().stage.get() };
    let Stage::Result(outcome) = std::mem::replace(stage, Stage::Empty) else {
        panic!("this fiber was joined before: its result was taken when its `join_event` happened");
    };
    // SAFETY: the caller gave room for it.
    unsafe { out.cast::<Outcome<T>>().write(outcome) };
}

/// # Safety
///
/// See [`FiberRef::discard`].
unsafe fn discard<F, T>(header: NonNull<Header>) -> Option<Box<dyn Any + Send>> {
    let record = header.cast::<Record<F, T>>();
    // SAFETY: the caller owns the result, hence the stage.
    let stage = unsafe { &mut *record.as_ref().stage.get() };
    match std::mem::replace(stage, Stage::Empty) {
        Stage::Result(Err(panic)) => Some(panic),
        // A destructor that panics here is the fiber's last act.
        Stage::Result(Ok(value)) => catch_unwind(AssertUnwindSafe(|| drop(value))).err(),
        _ => None,
    }
}

/// # Safety
///
/// No reference is left.
unsafe fn free<F, T>(header: NonNull<Header>) {
    let record = header.cast::<Record<F, T>>();
    // SAFETY: `FiberRef::spawn` wrote the record; nobody else has it.
    let Record { header: own, stage } = unsafe { &mut *record.as_ptr() };
    if own.owns_nothing() && matches!(stage.get_mut(), Stage::Empty) {
        // SAFETY: `FiberRef::spawn` took the block with this layout, and nobody else has it.
        return unsafe { block::release(header.cast(), Layout::new::<Record<F, T>>()) };
    }
    // SAFETY: passed on to the caller.
    unsafe { free_slowly::<F, T>(header) };
}

/// # Safety
///
/// As for [`free`].
#[cold]
unsafe fn free_slowly<F, T>(header: NonNull<Header>) {
    /// Releases the block also if a destructor in the record panics.
    struct Block(NonNull<u8>, Layout);
    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: `FiberRef::spawn` took it with this layout, and nobody else has it.
            unsafe { block::release(self.0, self.1) };
        }
    }
    let _block = Block(header.cast(), Layout::new::<Record<F, T>>());
    // SAFETY: `FiberRef::spawn` wrote the record; nobody else has it.
    unsafe { header.cast::<Record<F, T>>().drop_in_place() };
}

/// The states of a fiber's permit.
pub(crate) mod permit {
    pub(crate) const EMPTY: u8 = 0;
    pub(crate) const PARKED: u8 = 1;
    pub(crate) const NOTIFIED: u8 = 2;
}

impl Header {
    /// Makes the permit available; `true` if the fiber is parked and has to be woken.
    pub(crate) fn permit_give(&self) -> bool {
        self.permit.swap(permit::NOTIFIED, AcqRel) == permit::PARKED
    }

    /// Takes the permit if it is there.
    pub(crate) fn permit_take(&self) -> bool {
        self.permit.compare_exchange(permit::NOTIFIED, permit::EMPTY, AcqRel, Acquire).is_ok()
    }

    /// Announces that the fiber parks; `false` if the permit came first.
    pub(crate) fn permit_park(&self) -> bool {
        self.permit.compare_exchange(permit::EMPTY, permit::PARKED, AcqRel, Acquire).is_ok()
    }

    /// Ends a park; `true` if the permit came, which is taken with it.
    pub(crate) fn permit_unpark(&self) -> bool {
        self.permit.swap(permit::EMPTY, AcqRel) == permit::NOTIFIED
    }
}
