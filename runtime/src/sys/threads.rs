//! The threads of this process, as the kernel counts them, and those that cannot help a stalled runtime.

use std::path::Path;
use std::sync::atomic::AtomicIsize;
use std::sync::atomic::Ordering::SeqCst;

/// The number of threads in this process, from `/proc/self` (proc(5)); `None` where that is not mounted, or threads come and go so
/// quickly that they cannot be counted.
///
/// Without the threads that the kernel keeps for io_uring, which are listed there too, and which make the operations that cannot be made
/// without waiting: they stay for some seconds, and wake nobody but through an operation in flight.
pub(crate) fn count() -> Option<usize> {
    let is_kernels = |thread: &Path| std::fs::read(thread.join("comm")).is_ok_and(|name| name.starts_with(b"iou-wrk-"));
    // A list that is read while a thread ends may lack those behind it. The kernel knows how many there are.
    (0..ATTEMPTS).find_map(|_| {
        let listed: Vec<_> = std::fs::read_dir("/proc/self/task").ok()?.flatten().collect();
        (listed.len() == total()?).then(|| listed.iter().filter(|thread| !is_kernels(&thread.path())).count())
    })
}

/// How often a count is tried.
const ATTEMPTS: u32 = 4;

/// How many threads the kernel counts, its own included.
fn total() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

/// The calling thread, as the kernel numbers it.
pub(crate) fn current() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// What the kernel has done with a thread so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Nanoseconds on a processor.
    pub(crate) ran: u64,
    /// Nanoseconds for which it was ready and had none. The present wait comes in when it ends.
    pub(crate) waited: u64,
    /// Whether it runs or is ready, as opposed to blocked.
    pub(crate) is_ready: bool,
}

/// The standing of a thread of this process, from its `schedstat` (the kernel's Documentation/scheduler/sched-stats.rst) and its `stat`
/// (proc(5)); `None` where there are no such files.
pub(crate) fn standing(thread: i32) -> Option<Standing> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).ok();
    let times = read("schedstat")?;
    let mut times = times.split_ascii_whitespace().map(|time| time.parse().ok());
    let (ran, waited) = (times.next()??, times.next()??);
    // The state comes after the name, which may have anything in it.
    let is_ready = read("stat")?.rsplit_once(')')?.1.trim_start().starts_with('R');
    Some(Standing { ran, waited, is_ready })
}

static BLOCKED: AtomicIsize = AtomicIsize::new(0);

/// Counts the calling thread among those that wait for nothing but fibers. Called once it can be woken; whoever wakes it
/// counts it out, by [`unblocked`], before it does. So a thread that was woken and has not run yet is not counted.
pub(crate) fn blocked() {
    BLOCKED.fetch_add(1, SeqCst);
}

/// The inverse of [`blocked`]. It may come first, and then the count is too small for a moment, which is the safe side.
pub(crate) fn unblocked() {
    BLOCKED.fetch_sub(1, SeqCst);
}

/// How many threads wait for nothing but fibers.
pub(crate) fn blocked_count() -> usize {
    usize::try_from(BLOCKED.load(SeqCst)).unwrap_or(0)
}
