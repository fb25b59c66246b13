//! Which workers sleep, and how many look for work: so that fresh work wakes one worker and not all of them.
//!
//! As in Go (`runtime/proc.go`, "Worker thread parking/unparking") and Tokio: whoever publishes fresh work wakes a worker only if
//! one sleeps and none searches. A worker that was woken counts as searching from that moment on; when the last searcher
//! finds something it wakes the next, so a burst wakes workers one by one. A worker that gives up searching looks once more
//! at everything *after* it has said so (`Worker::park`), which closes the gap between a publisher that saw it searching
//! and its own last look. What it finds then, it does not keep to itself: several may have published meanwhile, so the last
//! searcher wakes a worker, as if it published the work itself.

use crate::sys::sync::atomic::Ordering::SeqCst;
use crate::sys::sync::{AtomicUsize, Mutex, fence};

/// Counts of one runtime's workers.
pub(crate) struct Idle {
    workers: usize,
    /// Workers searching, in the low half; workers awake, in the high half.
    counts: AtomicUsize,
    sleepers: Mutex<Vec<usize>>,
}

const AWAKE: usize = 1 << (usize::BITS / 2);
const SEARCHING: usize = 1;
const SEARCHING_MASK: usize = AWAKE - 1;

impl Idle {
    /// All workers awake, none searching.
    pub(crate) fn new(workers: usize) -> Idle {
        Idle { workers, counts: AtomicUsize::new(workers * AWAKE), sleepers: Mutex::new(Vec::with_capacity(workers)) }
    }

    /// The worker to wake for work that was just published, if any. It counts as awake and searching already.
    pub(crate) fn worker_to_wake(&self) -> Option<usize> {
        fence(SeqCst);
        if !self.wake_is_due() {
            return None;
        }
        let mut sleepers = self.lock();
        // Again, under the lock: two publishers at once wake one worker.
        if !self.wake_is_due() {
            return None;
        }
        let worker = sleepers.pop()?;
        self.counts.fetch_add(AWAKE + SEARCHING, SeqCst);
        Some(worker)
    }

    fn wake_is_due(&self) -> bool {
        let counts = self.counts.load(SeqCst);
        counts & SEARCHING_MASK == 0 && counts / AWAKE < self.workers
    }

    /// Whether no worker is awake.
    pub(crate) fn all_asleep(&self) -> bool {
        self.counts.load(SeqCst) / AWAKE == 0
    }

    /// A worker goes to sleep. `true` if it was the last searcher.
    pub(crate) fn fall_asleep(&self, worker: usize, searching: bool) -> bool {
        let mut sleepers = self.lock();
        let change = AWAKE + if searching { SEARCHING } else { 0 };
        let before = self.counts.fetch_sub(change, SeqCst);
        sleepers.push(worker);
        searching && before & SEARCHING_MASK == 1
    }

    /// A worker wakes. `true` if somebody chose it to search, and so it counts as searching.
    pub(crate) fn wake_up(&self, worker: usize) -> bool {
        let mut sleepers = self.lock();
        match sleepers.iter().position(|&sleeper| sleeper == worker) {
            Some(index) => {
                sleepers.swap_remove(index);
                self.counts.fetch_add(AWAKE, SeqCst);
                false
            }
            None => true,
        }
    }

    /// Whether a worker without work may search: at most half of them at once.
    pub(crate) fn start_searching(&self) -> bool {
        let counts = self.counts.load(SeqCst);
        if 2 * (counts & SEARCHING_MASK) >= self.workers {
            return false;
        }
        self.counts.fetch_add(SEARCHING, SeqCst);
        true
    }

    /// A searcher found work. `true` if it was the last one: then the next is to be woken.
    pub(crate) fn stop_searching(&self) -> bool {
        self.counts.fetch_sub(SEARCHING, SeqCst) & SEARCHING_MASK == 1
    }

    #[cfg(not(loom))]
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.sleepers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(loom)]
    fn lock(&self) -> loom::sync::MutexGuard<'_, Vec<usize>> {
        self.sleepers.lock().unwrap()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_searcher_at_a_time() {
        let idle = Idle::new(3);
        assert_eq!(idle.worker_to_wake(), None, "nobody sleeps");
        idle.fall_asleep(1, false);
        idle.fall_asleep(2, false);
        assert_eq!(idle.worker_to_wake(), Some(2));
        assert_eq!(idle.worker_to_wake(), None, "worker 2 searches");
        assert!(idle.wake_up(2), "it was chosen");
        assert!(idle.stop_searching(), "it was the last searcher");
        assert_eq!(idle.worker_to_wake(), Some(1));
    }

    #[test]
    fn a_worker_that_wakes_by_itself_does_not_search() {
        let idle = Idle::new(2);
        idle.fall_asleep(0, false);
        assert!(!idle.wake_up(0));
        assert_eq!(idle.worker_to_wake(), None);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Work published while the last searcher gives up: either the publisher is told to wake it, or it sees the work in its
    /// last look.
    #[test]
    fn loom_idle_work_is_not_left_when_the_last_searcher_sleeps() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(2));
            let queue = Arc::new(AtomicUsize::new(0));
            assert!(idle.start_searching());
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    queue.store(1, loom::sync::atomic::Ordering::Relaxed);
                    idle.worker_to_wake()
                })
            };
            idle.fall_asleep(0, true);
            fence(SeqCst);
            let seen = queue.load(loom::sync::atomic::Ordering::Relaxed) == 1;
            let woken = publisher.join().unwrap();
            assert!(seen || woken == Some(0), "the work is neither seen nor announced");
        });
    }

    /// Two pieces of work published while the last searcher gives up, which then takes one of them and is busy for ever: the
    /// other worker is woken for the rest.
    #[test]
    fn loom_idle_the_last_searcher_does_not_keep_work_to_itself() {
        use loom::sync::atomic::Ordering::Relaxed;
        loom::model(|| {
            let idle = Arc::new(Idle::new(2));
            let queue = Arc::new(AtomicUsize::new(0));
            idle.fall_asleep(1, false);
            assert!(idle.start_searching());
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    let publish = || {
                        queue.fetch_add(1, Relaxed);
                        idle.worker_to_wake()
                    };
                    [publish(), publish()]
                })
            };
            let mut woken = Vec::new();
            let last = idle.fall_asleep(0, true);
            fence(SeqCst);
            let mut awake = queue.load(Relaxed) > 0;
            if awake && last {
                woken.extend(idle.worker_to_wake());
            }
            let mut chosen = false;
            if awake {
                chosen = idle.wake_up(0);
            }
            let published = publisher.join().unwrap();
            woken.extend(published.into_iter().flatten());
            if !awake && woken.contains(&0) {
                awake = true;
                chosen = idle.wake_up(0);
            }
            let mut left = queue.load(Relaxed);
            if awake && left > 0 {
                left -= 1;
                if chosen && idle.stop_searching() && left > 0 {
                    woken.extend(idle.worker_to_wake());
                }
            }
            assert!(left == 0 || woken.contains(&1), "{left} left, woken: {woken:?}");
        });
    }
}
