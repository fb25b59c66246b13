//! A fence of which one side pays for both (membarrier(2)).
//!
//! Two threads that each write one word and then read the other's need a fence between the two, or both may read what was before. Where
//! one of the threads does it all the time and the other hardly ever, [`light`] for the one and [`heavy`] for the other is as good as a
//! sequentially consistent fence in each.

#[cfg(not(loom))]
mod imp {
    use std::sync::LazyLock;
    use std::sync::atomic::{Ordering::SeqCst, compiler_fence, fence};

    // linux/membarrier.h
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// The side that pays nothing: the compiler keeps the order, and [`heavy`] makes the processor do so.
    #[inline(always)]
    pub(crate) fn light() {
        compiler_fence(SeqCst);
    }

    /// The side that pays for both, some microseconds. `false`: the kernel does not do it, and there is no order.
    pub(crate) fn heavy() -> bool {
        static REGISTERED: LazyLock<bool> = LazyLock::new(|| call(REGISTER_PRIVATE_EXPEDITED));
        // The call has an effect on the threads that run. This one's own order is not left to that.
        fence(SeqCst);
        *REGISTERED && call(PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: the call takes integers only.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

/// Loom has no such fence: both sides pay.
#[cfg(loom)]
mod imp {
    use loom::sync::atomic::{Ordering::SeqCst, fence};

    pub(crate) fn light() {
        fence(SeqCst);
    }

    pub(crate) fn heavy() -> bool {
        fence(SeqCst);
        true
    }
}

pub(crate) use imp::*;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::{Relaxed, SeqCst};

    /// Two threads write one word each and read the other's, from one starting signal on: one of them sees the other's.
    #[test]
    fn one_of_two_sees_the_other() {
        if !heavy() {
            return;
        }
        let words: [AtomicUsize; 2] = Default::default();
        let (round, reads) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 2]);
        let arrive = |number: usize| {
            round.fetch_add(1, SeqCst);
            while round.load(SeqCst) < 2 * number {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let play = |me: usize| {
                for number in 1..=300 {
                    arrive(2 * number - 1);
                    words[me].store(number, Relaxed);
                    if me == 0 {
                        light();
                    } else {
                        assert!(heavy());
                    }
                    reads[me].store(words[1 - me].load(Relaxed), Relaxed);
                    arrive(2 * number);
                    assert!(reads.iter().any(|read| read.load(Relaxed) == number), "neither saw the other");
                }
            };
            scope.spawn(move || play(1));
            play(0);
        });
    }
}
