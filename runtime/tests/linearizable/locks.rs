//! Mutex, read-write lock, semaphore, notifications.

use crate::common::{Random, runtime};
use crate::search::{Model, Recorded, is_linearizable, record};
use crate::timed;
use fiber::select;
use fiber::sync::{Mutex, Notify, RwLock, Semaphore};
use fiber::time::after;
use std::sync::{Arc, TryLockError};
use std::time::Duration;

/// Who take part, how often each does something, and how many histories there are.
const PARTS: u64 = 6;
const TIMES: u64 = 8;
const SEEDS: u64 = 40;

fn soon(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(60))
}

/// Keeps what it has for a while, perhaps.
fn hold(random: &mut Random) {
    for _ in 0..random.below(3) {
        fiber::yield_now();
    }
}

/// What each does with `one`, `TIMES` times.
fn parts<S: Send + Sync + 'static, O: Send + 'static>(
    shared: S,
    seed: u64,
    one: impl Fn(&S, &mut Random, u64) -> Recorded<O> + Send + Copy + 'static,
) -> impl Iterator<Item = Box<dyn FnOnce() -> Recorded<O> + Send>> {
    let shared = Arc::new(shared);
    (0..PARTS).map(move |number| -> Box<dyn FnOnce() -> Recorded<O> + Send> {
        let shared = shared.clone();
        Box::new(move || {
            let mut random = Random::seeded(seed * 100 + number);
            (0..TIMES).flat_map(|_| one(&shared, &mut random, number)).collect()
        })
    })
}

/// Who has it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Held(Option<u64>);

enum MutexOperation {
    Lock(u64),
    Fail,
    Unlock(u64),
}

impl Model for Held {
    type Operation = MutexOperation;

    fn after(&self, operation: &MutexOperation) -> Option<Held> {
        match *operation {
            MutexOperation::Lock(who) => self.0.is_none().then_some(Held(Some(who))),
            MutexOperation::Fail => self.0.is_some().then(|| self.clone()),
            MutexOperation::Unlock(who) => (self.0 == Some(who)).then_some(Held(None)),
        }
    }
}

#[test]
fn a_mutex() {
    let runtime = runtime(2);
    for seed in 0..SEEDS {
        let history = record(
            &runtime,
            parts(Mutex::new(()), seed, |mutex, random, number| {
                let (at, result) = match random.below(3) {
                    0 => timed(|| mutex.try_lock()),
                    1 => timed(|| mutex.lock_timeout(soon(random))),
                    _ => timed(|| Ok(mutex.lock().unwrap())),
                };
                match result {
                    Ok(guard) => {
                        hold(random);
                        let (end, ()) = timed(|| drop(guard));
                        vec![(at, MutexOperation::Lock(number)), (end, MutexOperation::Unlock(number))]
                    }
                    Err(TryLockError::WouldBlock) => vec![(at, MutexOperation::Fail)],
                    Err(TryLockError::Poisoned(_)) => unreachable!("nobody panics"),
                }
            }),
        );
        assert!(is_linearizable(&Held(None), &history), "seed {seed}");
    }
}

/// How many read, and whether somebody writes.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Access {
    readers: u64,
    writer: bool,
}

enum Accessing {
    Read,
    DoneReading,
    Write,
    DoneWriting,
    /// Writing could not be begun.
    Fail,
}

impl Model for Access {
    type Operation = Accessing;

    fn after(&self, operation: &Accessing) -> Option<Access> {
        let Access { readers, writer } = *self;
        match operation {
            Accessing::Read => (!writer).then_some(Access { readers: readers + 1, writer }),
            Accessing::DoneReading => Some(Access { readers: readers.checked_sub(1)?, writer }),
            Accessing::Write => (!writer && readers == 0).then_some(Access { readers, writer: true }),
            Accessing::DoneWriting => writer.then_some(Access { readers, writer: false }),
            Accessing::Fail => (writer || readers > 0).then(|| self.clone()),
        }
    }
}

#[test]
fn a_read_write_lock() {
    let runtime = runtime(2);
    for seed in 0..SEEDS {
        let history = record(
            &runtime,
            parts(RwLock::new(()), seed, |lock, random, _| {
                if random.below(2) == 0 {
                    // That reading fails may be for a writer that waits, of which the model knows nothing.
                    let (at, guard) = timed(|| lock.read().unwrap());
                    hold(random);
                    let (end, ()) = timed(|| drop(guard));
                    return vec![(at, Accessing::Read), (end, Accessing::DoneReading)];
                }
                let (at, result) = match random.below(3) {
                    0 => timed(|| lock.try_write()),
                    1 => timed(|| lock.write_timeout(soon(random))),
                    _ => timed(|| Ok(lock.write().unwrap())),
                };
                let Ok(guard) = result else { return vec![(at, Accessing::Fail)] };
                hold(random);
                let (end, ()) = timed(|| drop(guard));
                vec![(at, Accessing::Write), (end, Accessing::DoneWriting)]
            }),
        );
        assert!(is_linearizable(&Access { readers: 0, writer: false }, &history), "seed {seed}");
    }
}

/// How many permits are there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Permits(usize);

enum SemaphoreOperation {
    Acquire(usize),
    Release(usize),
    /// So many were asked for in vain.
    Fail(usize),
    /// The same, by one who may have stood behind another.
    FailInLine,
}

impl Model for Permits {
    type Operation = SemaphoreOperation;

    fn after(&self, operation: &SemaphoreOperation) -> Option<Permits> {
        match *operation {
            SemaphoreOperation::Acquire(permits) => self.0.checked_sub(permits).map(Permits),
            SemaphoreOperation::Release(permits) => Some(Permits(self.0 + permits)),
            SemaphoreOperation::Fail(permits) => (self.0 < permits).then(|| self.clone()),
            SemaphoreOperation::FailInLine => Some(self.clone()),
        }
    }
}

#[test]
fn a_semaphore() {
    let runtime = runtime(2);
    let mut failed = 0;
    for seed in 0..SEEDS {
        let mut history = record(
            &runtime,
            parts(Semaphore::new(3), seed, |semaphore, random, _| {
                let permits = 1 + random.below(3) as usize;
                let (at, result) = match random.below(4) {
                    0 => timed(|| semaphore.try_acquire_many(permits)),
                    1 => timed(|| semaphore.acquire_many_timeout(permits, soon(random))),
                    2 => timed(|| {
                        // Otherwise the time could be taken although a permit is there.
                        select! {
                            biased;
                            permit = semaphore.acquire_many(permits) => Some(permit),
                            () = after(soon(random)) => None,
                        }
                    }),
                    _ => timed(|| Some(semaphore.acquire_many(permits))),
                };
                let Some(permit) = result else { return vec![(at, SemaphoreOperation::Fail(permits))] };
                hold(random);
                let (end, ()) = timed(|| drop(permit));
                vec![(at, SemaphoreOperation::Acquire(permits)), (end, SemaphoreOperation::Release(permits))]
            }),
        );
        // First come, first served: whoever asked at the same time may have been first.
        let asked: Vec<_> = history
            .iter()
            .filter(|(_, what)| !matches!(what, SemaphoreOperation::Release(_)))
            .map(|&(at, _)| at)
            .collect();
        for (at, operation) in &mut history {
            if let SemaphoreOperation::Fail(_) = operation {
                let beside = asked.iter().filter(|other| !other.precedes(*at) && !at.precedes(**other)).count();
                if beside > 1 {
                    *operation = SemaphoreOperation::FailInLine;
                } else {
                    failed += 1;
                }
            }
        }
        assert!(is_linearizable(&Permits(3), &history), "seed {seed}");
    }
    assert!(failed > 0, "the model had something to say about failures");
}

/// Whether a notification lies there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Notification(bool);

enum Notifying {
    Notify,
    Take,
    Fail,
}

impl Model for Notification {
    type Operation = Notifying;

    fn after(&self, operation: &Notifying) -> Option<Notification> {
        match operation {
            Notifying::Notify => Some(Notification(true)),
            Notifying::Take => self.0.then_some(Notification(false)),
            Notifying::Fail => (!self.0).then(|| self.clone()),
        }
    }
}

#[test]
fn notifications() {
    let runtime = runtime(2);
    for seed in 0..SEEDS {
        let history = record(
            &runtime,
            parts(Notify::new(), seed, |notify, random, _| {
                let (at, is_notified) = match random.below(4) {
                    0 | 1 => {
                        let (at, ()) = timed(|| notify.notify_one());
                        return vec![(at, Notifying::Notify)];
                    }
                    2 => timed(|| notify.notified_timeout(soon(random))),
                    _ => timed(|| {
                        select! {
                            biased;
                            () = notify.notified() => true,
                            () = after(soon(random)) => false,
                        }
                    }),
                };
                vec![(at, if is_notified { Notifying::Take } else { Notifying::Fail })]
            }),
        );
        assert!(is_linearizable(&Notification(false), &history), "seed {seed}");
    }
}
