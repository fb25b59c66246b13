//! The machine: what it is, and which of its processors run what.

use std::fs;
use std::io;

/// The processor's model, how many there are, and the kernel.
pub(crate) fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| info.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(": ").nth(1));
    let model = field("model name").unwrap_or("unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{model}, {} processors for this process, {}, Linux {}, load {}",
        processors().len(),
        std::env::consts::ARCH,
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

/// The processors that the calling thread may use.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: zeroes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to the set, during the call.
    let done = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    // SAFETY: the numbers are within the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) }).collect()
}

/// Keeps the calling thread, and the threads it will make, on these processors.
pub(crate) fn stay_on(processors: &[usize]) {
    // SAFETY: zeroes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &processor in processors {
        // SAFETY: the number came from a set.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: the kernel reads the set, during the call.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Runs `f` with the calling thread on one processor, the last: interrupts tend to land on the first.
pub(crate) fn on_one<T>(f: impl FnOnce() -> T) -> T {
    let all = processors();
    stay_on(&all[all.len() - 1..]);
    let value = f();
    stay_on(&all);
    value
}

/// The clock of the processor time that the calling thread has used; other threads may read it while that one lives.
pub(crate) fn thread_clock() -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: the thread is alive, and the clock is written to during the call.
    let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
    assert_eq!(failed, 0, "{}", io::Error::from_raw_os_error(failed));
    clock
}

/// The clock of the processor time that the process has used.
pub(crate) const PROCESS_CLOCK: libc::clockid_t = libc::CLOCK_PROCESS_CPUTIME_ID;

/// What a clock reads, in nanoseconds.
pub(crate) fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to the time, during the call.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
