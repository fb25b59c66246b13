//! How much processor the process may use, and where the calling thread runs.

/// How many workers the process has processors for: the processors its affinity mask allows, limited by its cgroup's
/// quota (both read by [`std::thread::available_parallelism`]), at least one.
pub(crate) fn allowance() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Asks the kernel for timers that are not rounded for the calling thread: the default slack of 50 us would be added to
/// every sleep (prctl(2), `PR_SET_TIMERSLACK`).
pub(crate) fn sharpen_timers() {
    // SAFETY: the call takes integers only. A refusal costs precision and nothing else, so its result is ignored.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1usize, 0usize, 0usize, 0usize);
    }
}
