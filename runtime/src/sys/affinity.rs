//! On which processors the calling thread may run, and on which one it does.

use std::mem;

/// Keeps the calling thread on these processors. A refusal costs locality and nothing else.
pub(crate) fn stay_on(cpus: &[usize]) {
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set is valid for the read and as long as said.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// The processors on which the calling thread may run; empty if the kernel does not say.
pub(crate) fn allowed() -> Vec<usize> {
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid for the write and as long as said.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0 {
        return Vec::new();
    }
    // SAFETY: the numbers are below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// The processor on which the calling thread runs, or just ran.
pub(crate) fn current() -> Option<usize> {
    // SAFETY: the call takes nothing and writes nothing.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{allowed, current, stay_on};

    #[test]
    fn a_thread_stays_where_it_is_kept() {
        std::thread::spawn(|| {
            let last = *allowed().last().unwrap();
            stay_on(&[last]);
            assert_eq!(allowed(), [last]);
            assert_eq!(current(), Some(last));
        })
        .join()
        .unwrap();
    }
}
