//! Where another thread of this process is.
//!
//! The thread is sent `SIGURG`, which does nothing by default and which Go uses for the same reasons (`runtime/signal_unix.go`,
//! `sigPreempt`). The handler walks the stack with the unwinder that panics use and leaves the addresses here. The unwinder is safe in a
//! handler: it does not allocate, and finds its tables without a lock (glibc from 2.35, `_dl_find_object(3)`) or under one that the
//! same thread may take again.
//!
//! An unwinder that starts between two stacks, in the middle of a switch, would read what is not there. So whoever asks says when a
//! walk is safe, and the thread itself is asked, in the handler.
//!
//! Nothing is installed before the first request.

use super::signal::{Walk, register_walk};
use super::threads;
use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The most addresses.
const FRAMES: usize = 64;
/// How long to wait for a thread that does not take signals.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often to look meanwhile.
const PAUSE: Duration = Duration::from_micros(50);

const FREE: u8 = 0;
const ASKED: u8 = 1;
const WALKING: u8 = 2;
const DONE: u8 = 3;

/// The one request that there is at a time.
static STATE: AtomicU8 = AtomicU8::new(FREE);
static THREAD: AtomicI32 = AtomicI32::new(0);
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// There is but one that asks.
static IS_SAFE: OnceLock<IsSafe> = OnceLock::new();
/// Whether the walk has come to where the signal came; what was before is the handler.
static PASSED: AtomicBool = AtomicBool::new(false);
static PANICKING: AtomicBool = AtomicBool::new(false);
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static FOUND: [AtomicUsize; FRAMES] = [const { AtomicUsize::new(0) }; FRAMES];

/// Says, in a signal handler on the thread that is asked, whether the thread still does what the number stands for, and is not
/// between two stacks. It reads, and nothing else.
pub(crate) type IsSafe = fn(u32) -> bool;

/// Where a thread is.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The addresses at which its functions are, innermost first; empty where it is not safe to look.
    pub(crate) frames: Vec<usize>,
    /// Whether it panics.
    pub(crate) is_panicking: bool,
}

/// Where this thread is; `None` if it does not say in time.
pub(crate) fn of(thread: i32, number: u32, is_safe: IsSafe) -> Option<Trace> {
    static ONE: Mutex<()> = Mutex::new(());
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if STATE.load(Acquire) != FREE || !*INSTALLED.get_or_init(|| register_walk(libc::SIGURG, walk as Walk).is_ok()) {
        return None;
    }
    THREAD.store(thread, Relaxed);
    NUMBER.store(number, Relaxed);
    IS_SAFE.get_or_init(|| is_safe);
    LENGTH.store(0, Relaxed);
    PASSED.store(false, Relaxed);
    STATE.store(ASKED, Release);
    // SAFETY: takes integers. The signal has a handler; a thread that is gone is an error.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGURG) } == 0;
    let end = Instant::now() + PATIENCE;
    while STATE.load(Acquire) != DONE {
        let over = !sent || Instant::now() > end;
        // One that is walking will be done; if it never is, the request is never free again, and nobody is asked any more.
        if over && STATE.compare_exchange(ASKED, FREE, AcqRel, Acquire).is_ok() {
            return None;
        }
        if over && Instant::now() > end + PATIENCE {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
    let frames = FOUND[..LENGTH.load(Relaxed)].iter().map(|address| address.load(Relaxed)).collect();
    let trace = Trace { frames, is_panicking: PANICKING.load(Relaxed) };
    STATE.store(FREE, Release);
    Some(trace)
}

/// The handler's part.
fn walk() {
    if THREAD.load(Relaxed) != threads::current() || STATE.compare_exchange(ASKED, WALKING, AcqRel, Acquire).is_err() {
        return;
    }
    PANICKING.store(std::thread::panicking(), Relaxed);
    if IS_SAFE.get().is_some_and(|is_safe| is_safe(NUMBER.load(Relaxed))) {
        // SAFETY: `visit` keeps to the unwinder's protocol and does not unwind. The thread is in a function of its own, at any of whose
        // instructions the tables are right.
        unsafe { _Unwind_Backtrace(visit, std::ptr::null_mut()) };
    }
    STATE.store(DONE, Release);
}

#[repr(C)]
struct UnwindContext {
    _opaque: [u8; 0],
}

// Of the unwinder's interface (Itanium C++ ABI, "Exception Handling", and its extension by GCC), which std is linked with.
unsafe extern "C" {
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut UnwindContext, before: *mut c_int) -> usize;
}

/// `_URC_NO_REASON`: go on; and `_URC_END_OF_STACK`: do not.
const GO_ON: c_int = 0;
const STOP: c_int = 5;

extern "C" fn visit(context: *mut UnwindContext, _: *mut c_void) -> c_int {
    let mut before = 0;
    // SAFETY: the unwinder calls with a context that is good during the call, and writes to `before`.
    let address = unsafe { _Unwind_GetIPInfo(context, &raw mut before) };
    // Trampolines, too, have the mark of an interrupted function; the innermost is where the signal came.
    if before != 0 && !PASSED.swap(true, Relaxed) {
        LENGTH.store(0, Relaxed);
    }
    let length = LENGTH.load(Relaxed);
    if length == FRAMES || address == 0 {
        return STOP;
    }
    // A return address may be the first of the next function.
    FOUND[length].store(if before != 0 { address } else { address - 1 }, Relaxed);
    LENGTH.store(length + 1, Relaxed);
    GO_ON
}
