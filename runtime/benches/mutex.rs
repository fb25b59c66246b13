//! Locking and unlocking a mutex.

mod common;

use common::{Run, busy_each, machine, time_each};
use std::sync::Arc;

fn alone(times: usize) -> f64 {
    let mutex = fiber::sync::Mutex::new(0);
    let each = busy_each(times, || (0..times).for_each(|_| *mutex.lock().unwrap() += 1));
    assert_eq!(mutex.into_inner().unwrap(), times);
    each
}

fn alone_std(times: usize) -> f64 {
    let mutex = std::sync::Mutex::new(0);
    let each = busy_each(times, || (0..times).for_each(|_| *mutex.lock().unwrap() += 1));
    assert_eq!(mutex.into_inner().unwrap(), times);
    each
}

/// Fibers that lock the same mutex; with `waits`, each yields while it holds it, so that all the others queue.
fn among_fibers(fibers: usize, times: usize, waits: bool) -> f64 {
    let mutex = Arc::new(fiber::sync::Mutex::new(0));
    let each = time_each(fibers * times, || {
        let fibers: Vec<_> = (0..fibers)
            .map(|_| {
                let mutex = mutex.clone();
                fiber::spawn(move || {
                    for _ in 0..times {
                        let mut count = mutex.lock().unwrap();
                        *count += 1;
                        if waits {
                            fiber::yield_now();
                        }
                    }
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
    assert_eq!(*mutex.lock().unwrap(), fibers * times);
    each
}

fn among_threads(threads: usize, times: usize) -> f64 {
    let mutex = std::sync::Mutex::new(0);
    let each = time_each(threads * times, || {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..times).for_each(|_| *mutex.lock().unwrap() += 1));
            }
        });
    });
    assert_eq!(mutex.into_inner().unwrap(), threads * times);
    each
}

fn main() {
    let run = Run::start("lock and unlock");
    let times = run.pick(1_000_000, 6400);
    let fibers = 64;
    machine::on_one(|| {
        let runtime = common::runtime(1);
        run.compare(
            "mutex, one fiber",
            "ns",
            9,
            &mut [
                ("fiber::sync::Mutex", &mut || runtime.run(|| alone(times))),
                ("std::sync::Mutex, on a thread", &mut || alone_std(times)),
            ],
        );
        run.compare(
            "mutex, 64 fibers, one worker",
            "ns",
            9,
            &mut [
                ("fiber::sync::Mutex", &mut || runtime.run(|| among_fibers(fibers, times / fibers, false))),
                ("fiber::sync::Mutex, yielding under the lock", &mut || {
                    runtime.run(|| among_fibers(fibers, times / fibers / 10, true))
                }),
                ("std::sync::Mutex, 64 threads, one processor", &mut || among_threads(fibers, times / fibers)),
            ],
        );
    });
    let runtime = common::runtime(2);
    run.compare(
        "mutex, 64 fibers, two workers",
        "ns",
        9,
        &mut [
            ("fiber::sync::Mutex", &mut || runtime.run(|| among_fibers(fibers, times / fibers, false))),
            ("std::sync::Mutex, 2 threads", &mut || among_threads(2, times / 2)),
        ],
    );
}
