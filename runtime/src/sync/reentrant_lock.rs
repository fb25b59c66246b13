//! A lock that its holder can take again, for standard output and standard error.

use super::mutex::raw::RawMutex;
use crate::sched::Current;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A lock that the fiber, or the thread, that holds it can take again. As std's unstable type of this name.
///
/// It hands out shared references only, and so needs what it guards to be `Send` but not `Sync`.
pub(crate) struct ReentrantLock<T> {
    raw: RawMutex,
    /// Whose it is, or zero. Only the owner finds its own number here, so nothing is ordered by it.
    owner: AtomicU64,
    /// How often the owner has it. The owner's.
    depth: Cell<u32>,
    data: T,
}

// SAFETY: `depth` and `data` are touched by the holder alone, and `raw` orders one holder's accesses before the next one's. All guards of
// a hold are on one thread: a guard is not `Send`, and a fiber stays on its thread. A guard that another fiber of that thread drops or
// uses is still used there.
unsafe impl<T: Send> Sync for ReentrantLock<T> {}

/// Holds the lock until it is dropped.
pub(crate) struct ReentrantLockGuard<'a, T> {
    lock: &'a ReentrantLock<T>,
    /// Not `Send`: it is the thread's.
    thread: PhantomData<*const ()>,
}

impl<T> ReentrantLock<T> {
    pub(crate) const fn new(data: T) -> ReentrantLock<T> {
        ReentrantLock { raw: RawMutex::new(), owner: AtomicU64::new(0), depth: Cell::new(0), data }
    }

    /// Locks it, and waits for that if need be; a cancelled fiber unwinds from the wait.
    pub(crate) fn lock(&self) -> ReentrantLockGuard<'_, T> {
        let me = caller();
        if self.owner.load(Relaxed) != me {
            self.raw.lock();
            self.owner.store(me, Relaxed);
        }
        self.guard()
    }

    /// Locks it if that takes no wait.
    pub(crate) fn try_lock(&self) -> Option<ReentrantLockGuard<'_, T>> {
        let me = caller();
        if self.owner.load(Relaxed) != me {
            if !self.raw.try_lock() {
                return None;
            }
            self.owner.store(me, Relaxed);
        }
        Some(self.guard())
    }

    /// One more guard for the holder, which the caller is.
    fn guard(&self) -> ReentrantLockGuard<'_, T> {
        // One below the end would be four billion guards that somebody forgot.
        self.depth.set(self.depth.get().checked_add(1).expect("a lock is not taken so often"));
        ReentrantLockGuard { lock: self, thread: PhantomData }
    }
}

impl<T> Deref for ReentrantLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lock.data
    }
}

impl<T> Drop for ReentrantLockGuard<'_, T> {
    fn drop(&mut self) {
        let depth = self.lock.depth.get() - 1;
        self.lock.depth.set(depth);
        if depth == 0 {
            self.lock.owner.store(0, Relaxed);
            self.lock.raw.unlock();
        }
    }
}

/// A number that no other fiber and no other thread has: odd for fibers, even for threads.
fn caller() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        // Without a destructor, so that it is there to the thread's very end.
        static THREAD: Cell<u64> = const { Cell::new(0) };
    }
    match Current::get() {
        Some(current) => current.header().id << 1 | 1,
        None => THREAD.with(|number| {
            if number.get() == 0 {
                number.set(THREADS.fetch_add(1, Relaxed) << 1);
            }
            number.get()
        }),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::Builder;
    use std::cell::RefCell;
    use std::sync::Arc;

    /// Fibers of two workers and threads hold it twice over and wait meanwhile: nobody sees another's half.
    #[test]
    fn one_holder_at_a_time_as_often_as_it_likes() {
        let lock = Arc::new(ReentrantLock::new(RefCell::new(0u32)));
        let add = |lock: &ReentrantLock<RefCell<u32>>| {
            for _ in 0..200 {
                let outer = lock.lock();
                let before = *outer.borrow();
                crate::yield_now();
                let inner = lock.lock();
                assert_eq!(*inner.borrow(), before);
                drop(outer);
                crate::yield_now();
                *inner.borrow_mut() = before + 1;
            }
        };
        Builder::new().workers(2).build().unwrap().run(|| {
            crate::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|| add(&lock));
                }
                let lock = lock.clone();
                let thread = std::thread::spawn(move || add(&lock));
                crate::blocking(|| thread.join().unwrap());
            });
        });
        assert_eq!(*lock.lock().borrow(), 7 * 200);
    }

    #[test]
    fn trying_takes_no_wait() {
        let lock = ReentrantLock::new(());
        let held = lock.lock();
        assert!(lock.try_lock().is_some());
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(lock.try_lock().is_none()));
        });
        drop(held);
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(lock.try_lock().is_some()));
        });
    }
}
