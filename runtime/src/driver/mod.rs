//! The wait for the outside world: operations go in, completions come out.
//!
//! A worker owns one [`Driver`]. It hands it [`Operation`]s, each with a [`Token`] of its own choice, and gets every token
//! back exactly once, in a [`Completion`] with the operation's result. The driver knows nothing of fibers: what a token
//! stands for is the caller's business. It calls nothing of this crate.
//!
//! # States of an operation
//!
//! ```text
//!            submit                  kernel has it              result known            sink
//!   caller ──────────► queued here ───────────────► in flight ───────────────► kept ───────────► handed out
//!                          └────────────── cancel: the kernel ends it early, with a result ────────┘
//! ```
//!
//! From `submit` to `handed out` the memory an operation names belongs to the kernel; [`Driver::in_flight`] counts the
//! operations in between. [`Driver::cancel`] shortens the time, it never skips a state: a cancelled operation is handed out like
//! any other, with `-ECANCELED`, or with its result if that came first. So a caller that waits for its own token, always and
//! on every path, may lend the kernel memory of its own stack.
//!
//! # Rules
//!
//! 1. A driver is created, used and dropped on one thread (it is neither `Send` nor `Sync`). The one thing other threads may
//!    hold is its [`Doorbell`].
//! 2. [`Driver::submit`] cannot fail. What the kernel's queue has no room for waits in a queue of ours; what the kernel
//!    completes while nobody reaps is kept and handed out by the next [`turn`](Driver::turn) or [`park`](Driver::park).
//!    Nothing is lost and nothing is reordered.
//! 3. A sink only takes notes: it cannot reach the driver (which is borrowed) and must not unwind.
//! 4. To sleep without losing a ring of the doorbell: [`arm_doorbell`](Driver::arm_doorbell), publish "sleeping",
//!    sequentially consistent fence, look once more for work, [`park`](Driver::park). Who brings work publishes it, fences, reads the
//!    state, and rings if it says "sleeping".
//!
//! # The drivers
//!
//! | driver | operations | sleeps in | taken |
//! | --- | --- | --- | --- |
//! | [`uring`] | are handed to the kernel | `io_uring_enter` | where it is permitted |
//! | [`epoll`] | are made by the driver when the descriptor is ready | `epoll_pwait2` | elsewhere |
//!
//! [`Driver`] is an enum, and [`Operation`] names no concept of either: a simulated driver would be one more variant, and in tests the
//! one that wraps another to inject faults is (`faulty`). The `match` costs one predicted branch.
//!
//! # Rejected
//!
//! - *A trait object*: an indirect call per operation, and a generic sink could not be inlined.
//! - *A result slot per operation that the driver writes*: ties the driver to the caller's data structures; a token is
//!   enough, because the caller has a slab anyway.
//! - *Draining the doorbell's counter at each wake*: a system call that a multishot poll, which is edge triggered, does not need.

mod doorbell;
mod epoll;
mod error;
#[cfg(test)]
pub(crate) mod faulty;
mod kind;
mod operation;
mod uring;

#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::time::Duration;

pub(crate) use doorbell::Doorbell;
pub(crate) use error::DriverError;
pub use kind::DriverKind;
pub(crate) use operation::Operation;

/// The caller's name for an operation, given back with its completion.
///
/// A token is unique among the operations in flight, and may be used again once its operation was handed out: entries reach the
/// kernel in the order in which they were made, so a cancel that its operation overtook is over before a successor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token(NonZeroU64);

impl Token {
    /// Tokens are below this: the driver needs the top bit for entries of its own.
    pub(crate) const LIMIT: u64 = 1 << 63;

    /// In a token, says that the memory its operation names is never taken back before the completion, come what may: a driver that is
    /// dropped need not wait for that.
    pub(crate) const LENT: u64 = 1 << 62;

    /// # Panics
    ///
    /// If `raw` is zero or not below [`Token::LIMIT`].
    #[inline]
    pub(crate) const fn new(raw: u64) -> Token {
        match NonZeroU64::new(raw) {
            Some(number) if raw < Token::LIMIT => Token(number),
            _ => panic!("a token is not zero and its top bit is clear"),
        }
    }

    /// Whether it is one with [`Token::LENT`].
    #[inline]
    const fn is_lent(self) -> bool {
        self.0.get() & Token::LENT != 0
    }

    /// The number it was made of.
    #[inline]
    pub(crate) const fn get(self) -> u64 {
        self.0.get()
    }
}

/// The end of an operation, or, with `more`, one of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// What [`Driver::submit`] was given.
    pub(crate) token: Token,
    /// What the system call would return, with `-errno` for an error.
    pub(crate) result: i32,
    /// Whether the operation goes on and will be heard of again: only that of [`Operation::AcceptMany`] and [`Operation::SendZeroCopy`] does.
    pub(crate) more: bool,
}

/// What a driver is made with.
#[derive(Clone, Debug)]
pub(crate) struct DriverConfig {
    /// Which driver.
    pub(crate) kind: DriverKind,
    /// How many operations are batched before a system call becomes necessary. Rounded up to a power of two.
    ///
    /// The default is 256: 16 KiB of kernel memory for the entries, and more than a loop turn usually submits.
    pub(crate) submission_entries: u32,
    /// How many completions the kernel can post before it must allocate memory for each. Rounded up to a power of two.
    ///
    /// The default is 4096: 64 KiB of kernel memory. Overflow loses nothing, it is only slower.
    pub(crate) completion_entries: u32,
    /// What epoll's driver calls itself if it is asked for.
    pub(crate) epoll_name: &'static str,
    /// What is to go wrong.
    #[cfg(test)]
    pub(crate) plan: Option<std::sync::Arc<faulty::Plan>>,
}

impl DriverConfig {
    /// Makes do with less memory of the kernel's; `false` if there is no less.
    ///
    /// Rings count as locked memory, unless the user may lock as much as it likes (`CAP_IPC_LOCK`), before Linux 5.12 and again later (6.18): at the
    /// usual limit of 8 MiB there is enough for 97 rings of the default size, for all processes of a user together; at 64 KiB, the limit of old,
    /// not for one.
    pub(crate) fn make_smaller(&mut self) -> bool {
        /// 4 KiB of entries and 8 KiB of completions.
        const SMALL: (u32, u32) = (64, 512);
        if self.kind == DriverKind::Epoll {
            return false;
        }
        if self.submission_entries > SMALL.0 || self.completion_entries > SMALL.1 {
            self.submission_entries = self.submission_entries.min(SMALL.0);
            self.completion_entries = self.completion_entries.min(SMALL.1);
            return true;
        }
        let without = self.kind == DriverKind::Auto;
        if without {
            self.kind = DriverKind::Epoll;
            self.epoll_name = "epoll (no memory for io_uring)";
        }
        without
    }
}

impl Default for DriverConfig {
    fn default() -> Self {
        DriverConfig {
            kind: DriverKind::Auto,
            submission_entries: 256,
            completion_entries: 4096,
            epoll_name: "epoll",
            #[cfg(test)]
            plan: None,
        }
    }
}

/// Whether every driver does without the operations that younger kernels have.
#[cfg(test)]
pub(crate) static OLD_KERNEL: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// The driver of one worker.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each worker, and io_uring's is not to be a pointer further away"
)]
pub(crate) enum Driver {
    /// One io_uring.
    Uring(uring::Uring),
    /// One epoll instance.
    Epoll(epoll::Epoll),
    /// One of the others, in which something goes wrong.
    #[cfg(test)]
    Faulty(Box<faulty::Faulty>),
}

impl Driver {
    /// Makes the driver that is asked for, or the best that this machine permits, for the calling thread.
    pub(crate) fn new(config: &DriverConfig) -> Result<Driver, DriverError> {
        #[cfg(test)]
        if let Some(plan) = &config.plan {
            let driver = Driver::sound(config)?;
            return Ok(Driver::Faulty(Box::new(faulty::Faulty::around(driver, plan.clone()))));
        }
        Driver::sound(config)
    }

    fn sound(config: &DriverConfig) -> Result<Driver, DriverError> {
        if config.kind == DriverKind::Epoll {
            return epoll::Epoll::new(config, config.epoll_name).map(Driver::Epoll);
        }
        let error = match uring::Uring::new(config) {
            Ok(driver) => return Ok(Driver::Uring(driver)),
            Err(error) if config.kind == DriverKind::IoUring => return Err(error),
            Err(error) => error,
        };
        let name = match error.no_io_uring() {
            Some("missing") => "epoll (io_uring is missing)",
            Some("forbidden") => "epoll (io_uring is forbidden)",
            Some(_) => "epoll (io_uring is too old)",
            None => return Err(error),
        };
        epoll::Epoll::new(config, name).map(Driver::Epoll)
    }

    /// Which of the drivers it is; never [`DriverKind::Auto`].
    pub(crate) fn kind(&self) -> DriverKind {
        match self {
            Driver::Uring(_) => DriverKind::IoUring,
            Driver::Epoll(_) => DriverKind::Epoll,
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner().kind(),
        }
    }

    /// The driver's name for reports: `io_uring` or `epoll`, with a remark in parentheses where it is not as it might be.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Driver::Uring(driver) => driver.kind(),
            Driver::Epoll(driver) => driver.kind(),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner().name(),
        }
    }

    /// Whether [`Operation::Accept`] and [`Operation::Connect`] want descriptors in non-blocking mode. On one in blocking mode they would
    /// hold the worker.
    #[inline]
    pub(crate) fn needs_nonblocking(&self) -> bool {
        self.kind() == DriverKind::Epoll
    }

    /// What wakes this driver's [`park`](Driver::park) from another thread.
    pub(crate) fn doorbell(&self) -> Doorbell {
        match self {
            Driver::Uring(driver) => driver.doorbell(),
            Driver::Epoll(driver) => driver.doorbell(),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner().doorbell(),
        }
    }

    /// Starts an operation.
    ///
    /// It reaches the kernel at the next [`turn`](Driver::turn) or [`park`](Driver::park), or at once when the queue is full. Its
    /// completion comes out of a later `turn` or `park`, never from here.
    ///
    /// # Safety
    ///
    /// The memory that `operation` names must be valid, and untouched except by the kernel, until the completion with `token` (the one
    /// without `more`) was handed to a sink or the driver was dropped. No other operation in flight has this token.
    #[inline]
    pub(crate) unsafe fn submit(&mut self, operation: &Operation, token: Token) {
        match self {
            // SAFETY: the caller's promise is handed on unchanged.
            Driver::Uring(driver) => unsafe { driver.submit(operation, token) },
            // SAFETY: as above.
            Driver::Epoll(driver) => unsafe { driver.submit(operation, token) },
            #[cfg(test)]
            // SAFETY: as above.
            Driver::Faulty(driver) => unsafe { driver.submit(operation, token) },
        }
    }

    /// Whether this driver has the operation. Those of sockets and `Poll` every driver has; transfers every driver has for what can be
    /// waited for, such as pipes. An operation that it does not have ends with `-EOPNOTSUPP`.
    pub(crate) fn supports(&self, operation: &Operation) -> bool {
        match self {
            Driver::Uring(driver) => driver.supports(operation),
            Driver::Epoll(driver) => driver.supports(operation),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner().supports(operation),
        }
    }

    /// Registers memory for operations that name it again and again (`ReadFixed`, `WriteFixed`): its pages are looked up and pinned once. Gives
    /// what they call it. Nothing, if the driver or this kernel has no such thing, it is all taken, or the user may lock no more memory.
    ///
    /// # Safety
    ///
    /// The memory stays allocated until it is [unregistered](Driver::unregister) or the driver was dropped.
    pub(crate) unsafe fn register(&mut self, memory: *mut u8, len: usize) -> Option<u16> {
        match self {
            // SAFETY: the caller's promise is handed on unchanged.
            Driver::Uring(driver) => unsafe { driver.register(memory, len) },
            Driver::Epoll(_) => None,
            #[cfg(test)]
            // SAFETY: as above.
            Driver::Faulty(driver) => unsafe { driver.inner_mut().register(memory, len) },
        }
    }

    /// Ends a registration. No operation in flight names it.
    pub(crate) fn unregister(&mut self, index: u16) {
        match self {
            Driver::Uring(driver) => driver.unregister(index),
            Driver::Epoll(_) => (),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner_mut().unregister(index),
        }
    }

    /// Asks for the operation with this token to end early. Its completion still comes, with whatever result it had by then.
    ///
    /// Without such an operation nothing happens.
    pub(crate) fn cancel(&mut self, token: Token) {
        match self {
            Driver::Uring(driver) => driver.cancel(token),
            Driver::Epoll(driver) => driver.cancel(token),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.cancel(token),
        }
    }

    /// Hands queued operations to the kernel and completions to `sink`, without waiting.
    ///
    /// At most one system call, besides those that epoll's driver makes for the operations, and none when nothing is queued or waited for
    /// and the kernel has announced nothing.
    #[inline]
    pub(crate) fn turn(&mut self, sink: &mut impl FnMut(Completion)) {
        match self {
            Driver::Uring(driver) => driver.turn(sink),
            Driver::Epoll(driver) => driver.turn(sink),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.turn(sink),
        }
    }

    /// As [`turn`](Driver::turn), but if there is no completion yet, waits for one, for the doorbell, for a signal, or for `timeout`.
    ///
    /// May return early for no reason. One system call at most, as for `turn`.
    pub(crate) fn park(&mut self, timeout: Option<Duration>, sink: &mut impl FnMut(Completion)) {
        match self {
            Driver::Uring(driver) => driver.park(timeout, sink),
            Driver::Epoll(driver) => driver.park(timeout, sink),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.park(timeout, sink),
        }
    }

    /// Makes sure that rings from now on end a [`park`](Driver::park). To be called before "sleeping" is published.
    #[inline]
    pub(crate) fn arm_doorbell(&mut self) {
        match self {
            Driver::Uring(driver) => driver.arm_doorbell(),
            // Always armed.
            Driver::Epoll(_) => (),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner_mut().arm_doorbell(),
        }
    }

    /// How many operations were submitted and not yet handed out.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Driver::Uring(driver) => driver.in_flight(),
            Driver::Epoll(driver) => driver.in_flight(),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.in_flight(),
        }
    }

    /// Whether [`turn`](Driver::turn) is known to find a completion now. A few loads, no system call; so with epoll, only what did not
    /// have to wait.
    #[inline]
    pub(crate) fn has_completions(&self) -> bool {
        match self {
            Driver::Uring(driver) => driver.has_completions(),
            Driver::Epoll(driver) => driver.has_completions(),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.has_completions(),
        }
    }

    /// How many system calls were made to submit, reap and wait.
    #[cfg(test)]
    pub(crate) fn system_calls(&self) -> u64 {
        match self {
            Driver::Uring(driver) => driver.enters(),
            Driver::Epoll(driver) => driver.system_calls(),
            #[cfg(test)]
            Driver::Faulty(driver) => driver.inner().system_calls(),
        }
    }
}
