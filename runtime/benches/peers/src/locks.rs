//! Mutexes and semaphores.

use crate::common::Run;
use crate::places::{Places, Stopwatch, tasks, together};
use std::hint::black_box;
use std::sync::Arc;

/// Who contend.
const CROWD: usize = 8;

pub(crate) fn compare(run: &Run, places: &Places) {
    if places.workers == 1 {
        alone(run, places);
        permits(run, places);
        crowd(run, places);
    } else {
        spread(run, places);
    }
}

fn alone(run: &Run, places: &Places) {
    let count = run.pick(10_000, 100);
    run.compare(
        "mutex, uncontended",
        "ns/lock",
        301,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let mutex = fiber::sync::Mutex::new(0);
                    let watch = Stopwatch::start(count);
                    (0..count).for_each(|_| *black_box(&mutex).lock().unwrap() += 1);
                    watch.each()
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let mutex = tokio::sync::Mutex::new(0);
                    let watch = Stopwatch::start(count);
                    for _ in 0..count {
                        *black_box(&mutex).lock().await += 1;
                    }
                    watch.each()
                })
            }),
            ("may", &mut || {
                places.may(move || {
                    let mutex = may::sync::Mutex::new(0);
                    let watch = Stopwatch::start(count);
                    (0..count).for_each(|_| *black_box(&mutex).lock().unwrap() += 1);
                    watch.each()
                })
            }),
            ("std", &mut || {
                let mutex = std::sync::Mutex::new(0);
                let watch = Stopwatch::start(count);
                (0..count).for_each(|_| *black_box(&mutex).lock().unwrap() += 1);
                watch.each()
            }),
        ],
    );
}

fn permits(run: &Run, places: &Places) {
    let count = run.pick(10_000, 100);
    run.compare(
        "semaphore, uncontended",
        "ns/permit",
        301,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let semaphore = fiber::sync::Semaphore::new(3);
                    let watch = Stopwatch::start(count);
                    (0..count).for_each(|_| drop(black_box(&semaphore).acquire()));
                    watch.each()
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let semaphore = tokio::sync::Semaphore::new(3);
                    let watch = Stopwatch::start(count);
                    for _ in 0..count {
                        drop(black_box(&semaphore).acquire().await);
                    }
                    watch.each()
                })
            }),
        ],
    );
}

/// Whoever has the lock lets others run, who come to wait for it.
fn crowd(run: &Run, places: &Places) {
    let each = run.pick(3_000, 10);
    run.compare(
        "mutex, contended, held across a yield",
        "ns/lock",
        15,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let mutex = Arc::new(fiber::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        move || {
                            for _ in 0..each {
                                let mut count = mutex.lock().unwrap();
                                fiber::yield_now();
                                *count += 1;
                            }
                        }
                    });
                    together!(CROWD * each, fiber::spawn, work)
                })
            }),
            ("may", &mut || {
                places.may(move || {
                    let mutex = Arc::new(may::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        move || {
                            for _ in 0..each {
                                let mut count = mutex.lock().unwrap();
                                may::coroutine::yield_now();
                                *count += 1;
                            }
                        }
                    });
                    together!(CROWD * each, |f| may::go!(f), work)
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let mutex = Arc::new(tokio::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        async move {
                            for _ in 0..each {
                                let mut count = mutex.lock().await;
                                tokio::task::yield_now().await;
                                *count += 1;
                            }
                        }
                    });
                    tasks!(CROWD * each, work)
                })
            }),
        ],
    );
}

fn spread(run: &Run, places: &Places) {
    let each = run.pick(20_000, 10);
    run.compare(
        "mutex, contended by two workers",
        "ns/lock",
        41,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let mutex = Arc::new(fiber::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        move || (0..each).for_each(|_| *mutex.lock().unwrap() += 1)
                    });
                    together!(CROWD * each, fiber::spawn, work)
                })
            }),
            ("may", &mut || {
                places.may(move || {
                    let mutex = Arc::new(may::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        move || (0..each).for_each(|_| *mutex.lock().unwrap() += 1)
                    });
                    together!(CROWD * each, |f| may::go!(f), work)
                })
            }),
            ("std, 2 threads", &mut || {
                let mutex = Arc::new(std::sync::Mutex::new(0));
                let work = (0..2).map(|_| {
                    let mutex = mutex.clone();
                    move || (0..CROWD / 2 * each).for_each(|_| *mutex.lock().unwrap() += 1)
                });
                together!(CROWD * each, std::thread::spawn, work)
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let mutex = Arc::new(tokio::sync::Mutex::new(0));
                    let work = (0..CROWD).map(|_| {
                        let mutex = mutex.clone();
                        async move {
                            for _ in 0..each {
                                *mutex.lock().await += 1;
                            }
                        }
                    });
                    tasks!(CROWD * each, work)
                })
            }),
        ],
    );
}
