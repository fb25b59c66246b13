//! Sleeping on a word of memory (futex(2)).

#[cfg(not(loom))]
mod imp {
    use std::ptr;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    /// Sleeps if the word has this value, until woken, or for so long, or for no reason.
    pub(crate) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
        let limit = timeout.map(|timeout| libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos() as libc::c_long,
        });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel reads the word and the time, during the call. Whatever it says, the caller looks again.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, limit) };
    }

    /// Wakes one thread that sleeps on the word, if there is one.
    pub(crate) fn wake_one(word: &AtomicU32) {
        // SAFETY: the kernel takes the word's address for a name.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
    }
}

/// One queue for all words; it never wakes for no reason, so that a wake that is missing is found.
#[cfg(loom)]
mod imp {
    use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use loom::sync::{Condvar, Mutex};
    use std::time::Duration;

    loom::lazy_static! {
        static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub(crate) fn wait(word: &AtomicU32, value: u32, _: Option<Duration>) {
        let guard = QUEUE.0.lock().unwrap();
        if word.load(SeqCst) == value {
            drop(QUEUE.1.wait(guard).unwrap());
        }
    }

    pub(crate) fn wake_one(_: &AtomicU32) {
        let _guard = QUEUE.0.lock().unwrap();
        QUEUE.1.notify_one();
    }
}

pub(crate) use imp::*;
