//! What happens when a fiber overflows its stack: the process says which fiber it was and how to give it more, and aborts.
//!
//! An overflow is a write into the guard below the stack, so it arrives as `SIGSEGV` on the thread that ran the fiber. Three
//! things make a message of it:
//!
//! 1. [`install`], once for the process: handlers for `SIGSEGV` and `SIGBUS` in front of whatever handles them now.
//! 2. [`AltStack`], once for each worker thread: memory for the handler to run on, since the fiber has none left.
//! 3. [`set_lookup`], once for each worker thread: how to find out whether an address lies in the guard of the fiber that is running
//!    here. It is asked in the handler and nowhere else, so that switching fibers costs nothing for it.
//!
//! Every other fault goes on to the handler that was there before (std's, which reports overflows of ordinary threads, or the
//! program's own) as if there were none of ours.
//!
//! An overflow is diagnosed, not survived: frames may be half written, locks held, and nothing can be unwound from there.
//!
//! # What a handler may do
//!
//! It interrupts arbitrary code, so it must not allocate, lock or unwind. Ours reads thread-locals that need no initialisation,
//! formats into a fixed buffer, and calls `write`, `sigaction`, `pthread_sigmask`, `raise` and `abort`, which POSIX lists as safe. The
//! lookup is bound by the same rule.

use crate::sys::errno::last_error;
use std::cell::Cell;
use std::fmt::{self, Write};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::stack::{Bytes, SizeClass};
use crate::sys::memory::{self, Mapping};

/// What the message tells about a fiber.
#[derive(Debug)]
pub(crate) struct Report {
    /// The fiber's number; zero for a coroutine on a thread that runs no fiber.
    pub(crate) id: u64,
    /// Whether it is the stack of a coroutine, on top of the fiber or the thread.
    pub(crate) coroutine: bool,
    /// The fiber's name; empty if it has none.
    pub(crate) name: ShortText<64>,
    /// The path of the annotated task it runs, if it runs one.
    pub(crate) task: Option<&'static str>,
    /// The file and line where that task is defined.
    pub(crate) location: Option<(&'static str, u32)>,
    /// The size of the stack in bytes, the guard included.
    pub(crate) stack_size: usize,
}

/// Says whether an address lies in the guard of the fiber that runs on this thread, and if so fills in the report.
///
/// It runs in a signal handler and must be safe there: no allocation, no lock, no panic, no suspension.
pub(crate) type Lookup = fn(fault: usize, report: &mut Report) -> bool;

thread_local! {
    static LOOKUP: Cell<Option<Lookup>> = const { Cell::new(None) };
}

/// Whether this thread can find out which fiber overflowed.
pub(crate) fn has_lookup() -> bool {
    LOOKUP.get().is_some()
}

/// Sets how this thread finds out which fiber overflowed; `None` when it runs no fibers any more.
pub(crate) fn set_lookup(lookup: Option<Lookup>) {
    LOOKUP.set(lookup);
}

/// The handlers that were there before ours.
struct Previous {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Puts the handlers for `SIGSEGV` and `SIGBUS` in front of the present ones. Only the first call in a process does anything.
pub(crate) fn install() {
    PREVIOUS.get_or_init(|| {
        // The old ones are read before ours are in place, so that ours never run without them. (A fault of another thread in
        // between would find `PREVIOUS` unset and be handled as if nothing had been there, which ends the process as it should.)
        let previous = Previous { segv: current_action(libc::SIGSEGV), bus: current_action(libc::SIGBUS) };
        put_in_front(libc::SIGSEGV, &previous.segv);
        put_in_front(libc::SIGBUS, &previous.bus);
        previous
    });
}

fn put_in_front(signal: libc::c_int, previous: &libc::sigaction) {
    // The mask of the old handler stays in force, because it may run inside of ours.
    let mut action = *previous;
    if action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN {
        action = default_action();
    }
    action.sa_sigaction = handler as extern "C" fn(_, _, _) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | (previous.sa_flags & libc::SA_RESTART);
    set_action(signal, &action);
}

/// The handler of `SIGSEGV` and `SIGBUS`.
extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t`. For a signal that another process sent, the field is no address, which harms
    // nobody: `si_code` is looked at first, and an address is only ever compared.
    let (code, fault) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    if code > 0
        && let Some(lookup) = LOOKUP.get()
    {
        let mut report =
            Report { id: 0, coroutine: false, name: ShortText::new(), task: None, location: None, stack_size: 0 };
        if lookup(fault, &mut report) {
            let mut text = ShortText::<2048>::new();
            // Never fails: what does not fit is cut off.
            let _ = write!(text, "{report}");
            write_to_stderr(text.as_str().as_bytes());
            // SAFETY: takes no arguments and does not return; safe in a signal handler.
            unsafe { libc::abort() };
        }
    }
    let errno = errno();
    // SAFETY: `errno` is this thread's.
    let saved = unsafe { *errno };
    chain(signal, code, info, context);
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Does with a signal what would have been done with it without our handler.
fn chain(signal: libc::c_int, code: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get().map(|all| if signal == libc::SIGBUS { &all.bus } else { &all.segv });
    let Some(previous) = previous else {
        return default(signal, code);
    };
    match previous.sa_sigaction {
        libc::SIG_DFL => default(signal, code),
        // The kernel heeds "ignore" for signals that were sent, but kills for faults: the instruction could never go on.
        libc::SIG_IGN if code <= 0 => {}
        libc::SIG_IGN => default(signal, code),
        address => {
            if previous.sa_flags & libc::SA_RESETHAND != 0 {
                set_action(signal, &default_action());
            }
            if previous.sa_flags & libc::SA_NODEFER != 0 {
                unblock(signal);
            }
            if previous.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: a handler installed with `SA_SIGINFO` has this signature; whoever installed it vouches for the rest, and
                // it gets what the kernel would have given it.
                let function = unsafe {
                    std::mem::transmute::<usize, extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)>(
                        address,
                    )
                };
                function(signal, info, context);
            } else {
                // SAFETY: a handler installed without `SA_SIGINFO` has this signature; otherwise as above.
                let function = unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(address) };
                function(signal);
            }
        }
    }
}

/// Lets the signal do what it does by default, as soon as the handler has returned: a fault happens again by itself, a signal that
/// was sent is sent again.
fn default(signal: libc::c_int, code: libc::c_int) {
    set_action(signal, &default_action());
    if code <= 0 {
        // Blocked while the handler runs, so it arrives afterwards.
        // SAFETY: takes no pointers; safe in a signal handler.
        unsafe { libc::raise(signal) };
    }
}

fn default_action() -> libc::sigaction {
    // SAFETY: all zero is a valid `sigaction`: the default action, an empty mask, no flags.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn current_action(signal: libc::c_int) -> libc::sigaction {
    let mut action = default_action();
    // SAFETY: changes nothing and writes one `sigaction` to the place given. Fails only for signals that do not exist.
    unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
    action
}

fn set_action(signal: libc::c_int, action: &libc::sigaction) {
    // SAFETY: `action` is the default or names `handler`, which upholds what handlers must (see the module's documentation).
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
}

fn unblock(signal: libc::c_int) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that the others use. All three are safe in a signal handler.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn errno() -> *mut libc::c_int {
    // SAFETY: answers where this thread's `errno` is.
    unsafe { libc::__errno_location() }
}

fn write_to_stderr(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads exactly the bytes of the slice.
        let written = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) => bytes = &bytes[written..],
            // SAFETY: `errno` is this thread's.
            Err(_) if unsafe { *errno() } == libc::EINTR => {}
            Err(_) => return,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.coroutine, self.id) {
            (false, id) => write!(f, "\nfiber {id}")?,
            (true, 0) => f.write_str("\na coroutine")?,
            (true, id) => write!(f, "\na coroutine of fiber {id}")?,
        }
        if !self.name.as_str().is_empty() {
            write!(f, " `{}`", self.name.as_str())?;
        }
        writeln!(f, " has overflowed its stack of {}", Bytes(self.stack_size))?;
        if let Some(task) = self.task {
            write!(f, "  task: {task}")?;
            if let Some((file, line)) = self.location {
                write!(f, " ({file}:{line})")?;
            }
            writeln!(f)?;
        }
        if let Ok(larger) = SizeClass::for_size(self.stack_size.saturating_mul(2)) {
            let larger = larger.size();
            let setting = Setting(larger);
            writeln!(f, "  give it more, for example {}:", Bytes(larger))?;
            if self.coroutine {
                writeln!(f, "    fiber::coroutine::Builder::stack_size({larger})")?;
            } else {
                writeln!(f, "    #[fiber::task(stack_size = \"{setting}\")]  for every fiber of a task")?;
                writeln!(f, "    fiber::Builder::stack_size({larger})  for one fiber")?;
                writeln!(
                    f,
                    "    FIBER_STACK_SIZE={setting} in the environment  for fibers without a size of their own"
                )?;
            }
        } else {
            writeln!(f, "  there is no larger one")?;
        }
        writeln!(f, "  Recursion without an end overflows a stack of any size.")
    }
}

/// A size as the settings take it.
struct Setting(usize);

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            size if size.is_multiple_of(1 << 20) => write!(f, "{}m", size >> 20),
            size => write!(f, "{}k", size >> 10),
        }
    }
}

/// Text of at most `N` bytes, in place; what does not fit is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortText<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> ShortText<N> {
    /// No text.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Appends as much of `text` as fits, in whole characters.
    pub(crate) fn push_str(&mut self, text: &str) {
        let fits = text.floor_char_boundary(N - self.len);
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl<const N: usize> Write for ShortText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// This thread's alternate signal stack, for handlers that run when the ordinary stack is used up.
///
/// Replaces the one that was there (std gives its threads one), because std's is sized for std's handler alone, and puts it back when
/// dropped. It has a guard of its own.
#[derive(Debug)]
pub(crate) struct AltStack {
    memory: Option<Mapping>,
    start: usize,
    previous: libc::stack_t,
    /// It belongs to the thread that made it.
    thread: PhantomData<*mut ()>,
}

/// How many alternate stacks are kept, at most, for threads that come later: to map and unmap one takes three calls, for each of which the
/// process's other threads may have to wait.
const KEPT: usize = 64;

/// Memory of alternate stacks that no thread has.
fn kept() -> MutexGuard<'static, Vec<Mapping>> {
    static MEMORY: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AltStack {
    /// The least size. Registers alone can take 11 KiB (`AT_MINSIGSTKSZ` with AMX), and the program's own handler, which ours calls,
    /// may symbolise a backtrace.
    const SIZE: usize = 64 * 1024;

    /// Gives this thread an alternate signal stack.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without memory for it; `EPERM` when called from a handler that runs on one.
    pub(crate) fn install() -> io::Result<Self> {
        let page = memory::page_size();
        // SAFETY: reads a number that the kernel left for the process; 0 where it left none.
        let registers = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        let size = (Self::SIZE + registers).next_multiple_of(page);
        // All are of this size: what it is made of does not change.
        let kept = kept().pop();
        let memory = match kept {
            Some(memory) => memory,
            None => {
                let memory = Mapping::reserve(page + size)?;
                let start = memory.range().start;
                // SAFETY: the mapping is new, so nothing lives in it.
                unsafe { memory.protect(start..start + page)? };
                memory
            }
        };
        let start = memory.range().start + page;
        let stack = libc::stack_t { ss_sp: ptr::with_exposed_provenance_mut(start), ss_flags: 0, ss_size: size };
        let mut previous = MaybeUninit::uninit();
        // SAFETY: `stack` describes writable memory that stays until `Drop` has replaced it, and the kernel writes the previous
        // one to the place given.
        if unsafe { libc::sigaltstack(&stack, previous.as_mut_ptr()) } != 0 {
            return Err(last_error());
        }
        // SAFETY: written by the call that has just succeeded.
        let previous = unsafe { previous.assume_init() };
        Ok(Self { memory: Some(memory), start, previous, thread: PhantomData })
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let mut current = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: changes nothing and writes one `stack_t` to the place given, where all zero is a valid one.
        let current = unsafe {
            libc::sigaltstack(ptr::null(), current.as_mut_ptr());
            current.assume_init()
        };
        // Where std has switched alternate stacks off, which it does when a thread ends, there is nothing to put back.
        let off = current.ss_flags & libc::SS_DISABLE != 0;
        // SAFETY: the previous stack was this thread's until ours replaced it, and whoever gave it to the thread expects it to be there.
        let restored =
            current.ss_sp.addr() == self.start && unsafe { libc::sigaltstack(&self.previous, ptr::null_mut()) } == 0;
        let memory = self.memory.take();
        if !restored && !off {
            // Somebody put another one in front and may put ours back: then it has to be there.
            std::mem::forget(memory);
            return;
        }
        let mut kept = kept();
        if kept.len() < KEPT {
            kept.extend(memory);
        }
    }
}

#[cfg(test)]
mod tests;
