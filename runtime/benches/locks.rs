//! Locks beside the mutex, without contention and with: what a hold costs.

mod common;

use common::{Run, busy_each, machine, time_each};
use std::sync::Arc;

/// A subject that does the same thing over and over on one fiber or thread.
macro_rules! alone {
    ($times:ident, $new:expr, |$shared:ident| $hold:expr) => {{
        let $shared = $new;
        busy_each($times, || {
            for _ in 0..$times {
                $hold;
            }
        })
    }};
}

/// Fibers that hold a lock over a yield, so that all the others queue.
fn among_fibers<T: Send + Sync + 'static>(shared: T, fibers: usize, times: usize, hold: fn(&T, usize)) -> f64 {
    let shared = Arc::new(shared);
    time_each(fibers * times, || {
        let fibers: Vec<_> = (0..fibers)
            .map(|n| {
                let shared = shared.clone();
                fiber::spawn(move || (0..times).for_each(|time| hold(&shared, n + time)))
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    })
}

fn main() {
    let run = Run::start("locks beside the mutex");
    let times = run.pick(1_000_000, 6400);
    let fibers = 64;
    machine::on_one(|| {
        let runtime = common::runtime(1);
        run.compare(
            "read and leave, alone",
            "ns",
            9,
            &mut [
                ("fiber::sync::RwLock", &mut || {
                    runtime.run(|| alone!(times, fiber::sync::RwLock::new(1), |lock| drop(lock.read().unwrap())))
                }),
                ("std::sync::RwLock, on a thread", &mut || {
                    alone!(times, std::sync::RwLock::new(1), |lock| drop(lock.read().unwrap()))
                }),
            ],
        );
        run.compare(
            "write and leave, alone",
            "ns",
            9,
            &mut [
                ("fiber::sync::RwLock", &mut || {
                    runtime.run(|| alone!(times, fiber::sync::RwLock::new(1), |lock| *lock.write().unwrap() += 1))
                }),
                ("std::sync::RwLock, on a thread", &mut || {
                    alone!(times, std::sync::RwLock::new(1), |lock| *lock.write().unwrap() += 1)
                }),
            ],
        );
        run.compare(
            "acquire and release a permit, take a notification, alone",
            "ns",
            9,
            &mut [
                ("fiber::sync::Notify", &mut || {
                    runtime.run(|| {
                        alone!(times, fiber::sync::Notify::new(), |notify| {
                            notify.notify_one();
                            notify.notified();
                        })
                    })
                }),
                ("fiber::sync::Semaphore", &mut || {
                    runtime.run(|| alone!(times, fiber::sync::Semaphore::new(1), |semaphore| drop(semaphore.acquire())))
                }),
                ("std::sync::Mutex, on a thread", &mut || {
                    alone!(times, std::sync::Mutex::new(1), |mutex| drop(mutex.lock().unwrap()))
                }),
            ],
        );
        let each = times / fibers / 10;
        run.compare(
            "64 fibers, one worker, yielding inside",
            "ns",
            9,
            &mut [
                ("fiber::sync::RwLock, one of eight writes", &mut || {
                    runtime.run(|| {
                        among_fibers(fiber::sync::RwLock::new(0), fibers, each, |lock, n| {
                            if n % 8 == 0 {
                                let mut count = lock.write().unwrap();
                                fiber::yield_now();
                                *count += 1;
                            } else {
                                let _count = lock.read().unwrap();
                                fiber::yield_now();
                            }
                        })
                    })
                }),
                ("fiber::sync::Semaphore, 8 permits", &mut || {
                    runtime.run(|| {
                        among_fibers(fiber::sync::Semaphore::new(8), fibers, each, |semaphore, _| {
                            let _permit = semaphore.acquire();
                            fiber::yield_now();
                        })
                    })
                }),
                ("fiber::sync::Mutex", &mut || {
                    runtime.run(|| {
                        among_fibers(fiber::sync::Mutex::new(0), fibers, each, |mutex, _| {
                            let mut count = mutex.lock().unwrap();
                            fiber::yield_now();
                            *count += 1;
                        })
                    })
                }),
            ],
        );
    });
}
