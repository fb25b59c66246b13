//! How the launcher hears of the workers that it starts.

use super::error::Cause;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

/// The start of a runtime. Each worker holds it until it is up, has failed, or ends without a word.
pub(super) struct Start(Arc<Starting>);

struct Starting {
    holders: AtomicUsize,
    failure: Mutex<Option<Cause>>,
    launcher: Thread,
}

impl Start {
    /// Held by the launcher, which is the calling thread.
    pub(super) fn begin() -> Start {
        let launcher = thread::current();
        Start(Arc::new(Starting { holders: AtomicUsize::new(1), failure: Mutex::new(None), launcher }))
    }

    /// A worker could not start. The first failure counts.
    pub(super) fn fail(self, cause: Cause) {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
    }

    /// Waits until all the others have let it go. By the launcher, which is woken once, however many workers there are.
    pub(super) fn wait(self) -> Option<Cause> {
        let starting = self.0.clone();
        drop(self);
        while starting.holders.load(Acquire) > 0 {
            thread::park();
        }
        starting.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Clone for Start {
    fn clone(&self) -> Start {
        self.0.holders.fetch_add(1, Relaxed);
        Start(self.0.clone())
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if self.0.holders.fetch_sub(1, AcqRel) == 1 {
            self.0.launcher.unpark();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_launcher_waits_for_all_and_hears_of_the_first_failure() {
        assert!(Start::begin().wait().is_none());
        let start = Start::begin();
        let up = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (start, up) = (start.clone(), up.clone());
                thread::spawn(move || {
                    up.fetch_add(1, Relaxed);
                    match worker {
                        1 => start.fail(Cause::NoWorkers),
                        2 => std::panic::resume_unwind(Box::new(())),
                        _ => drop(start),
                    }
                })
            })
            .collect();
        assert!(matches!(start.wait(), Some(Cause::NoWorkers)));
        assert_eq!(up.load(Relaxed), 4);
        workers.into_iter().for_each(|worker| drop(worker.join()));
    }
}
