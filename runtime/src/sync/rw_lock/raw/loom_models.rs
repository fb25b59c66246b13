//! Models of the lock: readers with readers, writers alone, and nobody left asleep.

use super::*;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;

/// A value that loom watches, and its lock.
struct Guarded {
    lock: RawRwLock,
    value: loom::cell::UnsafeCell<usize>,
}

// SAFETY: the value is touched under the lock; loom checks that.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        let guarded = Guarded { lock: RawRwLock::new(), value: loom::cell::UnsafeCell::new(0) };
        // Makes the atomics before any thread starts.
        assert!(guarded.lock.try_write());
        guarded.lock.leave_write();
        Arc::new(guarded)
    }

    /// Writes, for one who is in, and leaves.
    fn add(&self) {
        // SAFETY: the caller is in alone; loom checks that.
        self.value.with_mut(|value| unsafe { *value += 1 });
        self.lock.leave_write();
    }

    /// Reads, for one who is in, and leaves.
    fn look(&self) -> usize {
        let value = self.value();
        self.lock.leave_read();
        value
    }

    fn value(&self) -> usize {
        // SAFETY: no writer is in; loom checks that.
        self.value.with(|value| unsafe { *value })
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(preemptions);
    bounded.check(model);
}

/// Runs it on the guarded value on another thread.
fn beside<T: 'static>(guarded: &Arc<Guarded>, f: impl FnOnce(&Guarded) -> T + 'static) -> thread::JoinHandle<T> {
    let guarded = guarded.clone();
    thread::spawn(move || f(&guarded))
}

/// Two writers and a reader: the writers exclude everybody, and all get in.
#[test]
fn loom_rw_lock_writers_are_alone() {
    check(2, || {
        let guarded = Guarded::new();
        let writer = beside(&guarded, |guarded| {
            guarded.lock.write();
            guarded.add();
        });
        let reader = beside(&guarded, |guarded| {
            guarded.lock.read();
            guarded.look()
        });
        guarded.lock.write();
        guarded.add();
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 2);
        assert_eq!(guarded.value(), 2);
        assert_eq!(guarded.lock.state.load(Relaxed) & !WAITED, 0, "nobody is left inside");
    });
}

/// One thread writes twice, the other reads and writes: a writer is woken, overtaken, insists, and is let in.
#[test]
fn loom_rw_lock_a_woken_writer_gets_in() {
    check(3, || {
        let guarded = Guarded::new();
        let other = beside(&guarded, |guarded| {
            for _ in 0..2 {
                guarded.lock.write();
                guarded.add();
            }
        });
        guarded.lock.read();
        guarded.look();
        guarded.lock.write();
        guarded.add();
        other.join().unwrap();
        assert_eq!(guarded.value(), 3);
    });
}

/// A writer that gives up, between a reader that is in and one that waits behind the writer.
#[test]
fn loom_rw_lock_a_writer_that_gives_up_lets_readers_pass() {
    check(2, || {
        let guarded = Guarded::new();
        guarded.lock.read();
        let writer = beside(&guarded, |guarded| {
            let entered = guarded.lock.write_within(|| TimeLeft::of(Duration::ZERO));
            if entered {
                guarded.add();
            }
            entered
        });
        let reader = beside(&guarded, |guarded| {
            guarded.lock.read();
            guarded.look()
        });
        // While this one is still in: the reader waits at most for a writer that will not come.
        assert!(!writer.join().unwrap());
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(guarded.look(), 0);
        assert_eq!(guarded.lock.state.load(Relaxed), 0);
    });
}

/// A writer and a hasty writer beside a reader that leaves: whatever wake the hasty one had goes on.
#[test]
fn loom_rw_lock_giving_up_loses_no_wake() {
    check(2, || {
        let guarded = Guarded::new();
        let hasty = beside(&guarded, |guarded| {
            let entered = guarded.lock.write_within(|| TimeLeft::of(Duration::ZERO));
            if entered {
                guarded.add();
            }
            usize::from(entered)
        });
        let writer = beside(&guarded, |guarded| {
            guarded.lock.write();
            guarded.add();
        });
        guarded.lock.read();
        guarded.look();
        writer.join().unwrap();
        let hasty = hasty.join().unwrap();
        assert_eq!(guarded.value(), 1 + hasty);
    });
}

/// A writer that becomes a reader lets in a waiting reader, and keeps out a waiting writer.
#[test]
fn loom_rw_lock_downgrading_admits_readers() {
    check(2, || {
        let guarded = Guarded::new();
        guarded.lock.write();
        let reader = beside(&guarded, |guarded| {
            guarded.lock.read();
            guarded.look()
        });
        guarded.lock.downgrade();
        // While this one is still in.
        assert_eq!(reader.join().unwrap(), 0);
        let writer = beside(&guarded, |guarded| {
            guarded.lock.write();
            guarded.add();
        });
        assert_eq!(guarded.look(), 0);
        writer.join().unwrap();
        assert_eq!(guarded.value(), 1);
    });
}
