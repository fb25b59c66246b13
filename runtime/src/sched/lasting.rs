//! Operations that outlast the call that began them: they complete several times, or the memory they name stays with the kernel for longer
//! than anybody wants to wait.
//!
//! What such an operation needs lies on the heap, counted: one reference is the kernel's, from the submission to the last completion, and
//! one that of whoever began it. So either may be first to go. The completions are noted by a [`Recipient`], on the scheduler's stack.
//!
//! All of it belongs to one worker, on whose driver the operation is, and nothing of it is `Send`. If that worker ends before the operation
//! does, the kernel's reference is never given back, and the memory stays.

use super::cancel::deadline;
use super::current::{Current, charge};
use super::io::{suspend_until_done, told};
use super::timer::{Flag, Timer};
use super::worker::Worker;
use crate::driver::{Completion, Operation, Token};
use crate::fiber::Reason;
use crate::fiber::slot::Slot;
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

/// Tells the tokens of lasting operations from those of others, which are addresses of something aligned. The lowest bit is that of
/// lookouts.
pub(super) const MARK: u64 = 2;

/// How a worker that ends waits for the last completions: that often, for so long.
const LAST_LOOKS: u32 = 10;
const LAST_LOOK: Duration = Duration::from_millis(10);

/// Takes note of completions.
pub(crate) trait Recipient {
    /// One has come; unless there are `more`, it is the last. Says whether that is enough, and the operation is to be cancelled.
    ///
    /// Runs between fibers: it must neither wait nor panic nor use the driver. Nor must the destructor.
    fn note(&self, result: i32, more: bool) -> bool;
}

/// An operation and what becomes of it.
struct Shared<R: ?Sized> {
    token: Cell<Option<Token>>,
    /// The fiber that waits for news; null if none does.
    waiting: Cell<*const Slot>,
    recipient: R,
}

/// What the kernel has, behind the token.
type Counted = Rc<Shared<dyn Recipient>>;

/// Operations that have done enough, until the driver can be told.
#[derive(Default)]
pub(super) struct Surfeit(RefCell<Vec<Counted>>);

/// An operation that was begun.
pub(crate) struct Lasting<R> {
    shared: Rc<Shared<R>>,
}

impl<R: Recipient + 'static> Lasting<R> {
    /// Begins an operation. `lent` says that the worker need not wait for its end when the runtime does.
    ///
    /// # Panics
    ///
    /// Off a fiber.
    ///
    /// # Safety
    ///
    /// The memory that the operation names stays valid for as long as the recipient does, wherever the recipient is moved to.
    pub(crate) unsafe fn begin(operation: impl FnOnce(&R) -> Operation, recipient: R, lent: bool) -> Lasting<R> {
        let current = Current::get().expect("an operation is begun on a fiber");
        // For as long as it may be cancelled, waited for or dropped.
        current.header().own.ties.pin();
        let worker = current.worker();
        let shared = Rc::new(Shared { token: Cell::new(None), waiting: Cell::new(ptr::null()), recipient });
        let kernels: Box<Counted> = Box::new(shared.clone());
        let address = Box::into_raw(kernels).expose_provenance() as u64;
        let token = Token::new(address | MARK | if lent { Token::LENT } else { 0 });
        shared.token.set(Some(token));
        let operation = operation(&shared.recipient);
        // SAFETY: the recipient stays where it is until the kernel's reference is dropped, which happens after the last completion.
        unsafe { worker.driver.borrow_mut().submit(&operation, token) };
        Lasting { shared }
    }

    /// What takes the notes.
    pub(crate) fn recipient(&self) -> &R {
        &self.shared.recipient
    }

    /// Whether the last completion has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.token.get().is_none()
    }

    /// Asks for its end. What it has done by then is still noted.
    pub(crate) fn cancel(&self) {
        self.shared.cancel();
    }

    /// Suspends the running fiber until `ready` gives a value, which is asked after each completion.
    ///
    /// # Errors
    ///
    /// `ETIME` once `timeout` has passed; the error of a cancellation or of a time limit around the call (or an unwinding, see `cancel`). The
    /// operation goes on.
    ///
    /// # Panics
    ///
    /// Off a fiber.
    pub(crate) fn wait<T>(
        &self,
        reason: Reason,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&R) -> Option<T>,
    ) -> io::Result<T> {
        let current = Current::get().expect("an operation is awaited on a fiber");
        if let Some(value) = ready(&self.shared.recipient) {
            charge();
            return Ok(value);
        }
        current.may_suspend(reason);
        let passed = Flag::new();
        let _timer = deadline(timeout).map(|deadline| Timer::set(current, deadline, &passed));
        loop {
            if let Some(interruption) = current.interruption() {
                return Err(interruption.into_error());
            }
            if passed.get() {
                return Err(io::Error::from_raw_os_error(libc::ETIME));
            }
            self.suspend(current, reason);
            if let Some(value) = ready(&self.shared.recipient) {
                return Ok(value);
            }
        }
    }

    /// Suspends the running fiber until `result` gives one, which is asked after each completion.
    ///
    /// # Errors
    ///
    /// As [`io::wait`](super::io::wait): if the wait has to end before, the operation is cancelled, and that awaited.
    ///
    /// # Panics
    ///
    /// Off a fiber.
    pub(crate) fn wait_for_result(
        &self,
        reason: Reason,
        timeout: Option<Duration>,
        result: impl Fn(&R) -> Option<i32>,
    ) -> io::Result<u32> {
        let current = Current::get().expect("an operation is awaited on a fiber");
        let passed = Flag::new();
        let timer = deadline(timeout).map(|deadline| Timer::set(current, deadline, &passed));
        self.shared.waiting.set(current.slot);
        let cancel = || self.shared.cancel();
        let (result, cause) = suspend_until_done(current, reason, &passed, || result(&self.shared.recipient), cancel);
        self.shared.waiting.set(ptr::null());
        drop(timer);
        told(result, cause)
    }

    /// Ends it, and waits for that, whatever comes meanwhile: the kernel ends at once what waits for something to happen. Where the
    /// caller cannot wait, it ends after this.
    pub(crate) fn end(&self, reason: Reason) {
        self.cancel();
        if let Some(current) = Current::get().filter(|current| !current.is_to_stay()) {
            while !self.has_ended() {
                self.suspend(current, reason);
            }
        }
    }

    fn suspend(&self, current: Current<'_>, reason: Reason) {
        self.shared.waiting.set(current.slot);
        current.suspend(reason);
        self.shared.waiting.set(ptr::null());
    }
}

impl<R: ?Sized> Shared<R> {
    fn cancel(&self) {
        if let (Some(token), Some(worker)) = (self.token.get(), Worker::current()) {
            worker.driver.borrow_mut().cancel(token);
        }
    }
}

impl Worker {
    /// Hands a completion to its recipient.
    pub(super) fn complete_lasting(&self, completion: Completion) {
        let address = completion.token.get() & !(MARK | Token::LENT);
        let kernels = ptr::with_exposed_provenance_mut::<Counted>(address as usize);
        // SAFETY: `begin` made the token of such an address, and what is there is freed below, once, when the last completion has come.
        let shared = Rc::clone(unsafe { &*kernels });
        if !completion.more {
            shared.token.set(None);
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(kernels) });
        }
        let enough = shared.recipient.note(completion.result, completion.more);
        // SAFETY: slots are never unmapped; and the fiber whose it is waits, or will look when it does.
        if let Some(slot) = unsafe { shared.waiting.get().as_ref() } {
            self.wake(slot);
        }
        if enough && completion.more {
            self.surfeit.0.borrow_mut().push(shared);
        }
    }

    /// Cancels what has done enough. The driver is not in use.
    #[inline]
    pub(super) fn end_surfeit(&self) {
        if !self.surfeit.0.borrow().is_empty() {
            self.surfeit.0.take().iter().for_each(|shared| shared.cancel());
        }
    }

    /// Waits a little for what outlasts the fibers, which have all ended.
    pub(super) fn wait_for_lasting(&self) {
        for _ in 0..LAST_LOOKS {
            if self.driver.borrow().in_flight() == 0 {
                break;
            }
            self.driver.borrow_mut().park(Some(LAST_LOOK), &mut |completion| self.complete(completion));
        }
        self.surfeit.0.take();
    }
}
