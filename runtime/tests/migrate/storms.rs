//! Thousands of fibers that move while they are woken, cancelled, unwound and shut down.

use super::{migratable, moves, restless};
use crate::common::watched;
use fiber::runtime::Builder;
use fiber::sync::mpsc::channel;
use fiber::sync::{Mutex, Semaphore};
use fiber::time::{sleep, timeout};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// With fibers that move whenever they may, and with fibers that move when there is time for them elsewhere.
fn on_each(workers: usize, f: impl Fn() + Send + Sync) {
    for builder in [restless(workers), Builder::new().workers(workers)] {
        watched(builder).run(&f);
    }
}

#[test]
fn thousands_do_all_there_is_to_do() {
    on_each(4, || {
        let (count, total) = (Arc::new(Mutex::new(0_u64)), Arc::new(Semaphore::new(50)));
        let (sender, receiver) = channel();
        let fibers: Vec<_> = (0..2000_u64)
            .map(|number| {
                let (count, total, sender) = (count.clone(), total.clone(), sender.clone());
                migratable().spawn(move || {
                    fiber::yield_now();
                    let _permit = total.acquire();
                    let mut guard = count.lock().unwrap();
                    *guard += 1;
                    fiber::yield_now();
                    drop(guard);
                    match number % 8 {
                        0 => sleep(Duration::from_micros(number % 500)),
                        1 => {
                            let children: Vec<_> = (0..3)
                                .map(|part| {
                                    migratable().spawn(move || {
                                        fiber::yield_now();
                                        part
                                    })
                                })
                                .collect();
                            let sum: u64 = children.into_iter().map(|child| child.join().unwrap()).sum();
                            assert_eq!(sum, 3);
                        }
                        2 => {
                            let caught = catch_unwind(AssertUnwindSafe(|| {
                                fiber::yield_now();
                                std::panic::resume_unwind(Box::new(number));
                            }));
                            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&number));
                        }
                        3 => assert!(timeout(Duration::from_micros(50), fiber::park).is_err()),
                        4 => {
                            let mut parts = [0; 4];
                            fiber::scope(|s| {
                                for part in &mut parts {
                                    migratable().spawn_scoped(s, move || {
                                        fiber::yield_now();
                                        *part = 1;
                                    });
                                }
                            });
                            assert_eq!(parts, [1; 4]);
                        }
                        5 => {
                            let child = migratable().spawn(fiber::park);
                            fiber::yield_now();
                            child.cancel();
                            assert!(child.join().unwrap_err().is_cancelled());
                        }
                        6 => {
                            let first = fiber::race([1, 2].map(|part| {
                                move || {
                                    fiber::yield_now();
                                    part
                                }
                            }));
                            assert!(first == 1 || first == 2);
                        }
                        _ => (0..10).for_each(|_| fiber::yield_now()),
                    }
                    sender.send(number).unwrap();
                })
            })
            .collect();
        drop(sender);
        let mut sum = 0;
        while let Ok(number) = receiver.recv() {
            sum += number;
        }
        assert_eq!(sum, (0..2000).sum());
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(*count.lock().unwrap(), 2000);
        assert!(moves() > 0);
    });
}

#[test]
fn wakes_from_fibers_and_threads_meet_moves() {
    const FIBERS: usize = 64;
    const PERMITS: usize = 300;
    on_each(4, || {
        // Each is to take so many permits; whoever gives one waits until it was taken, so none is lost in another.
        let taken = Arc::new([const { AtomicUsize::new(0) }; FIBERS]);
        let fibers: Vec<_> = (0..FIBERS)
            .map(|index| {
                let taken = taken.clone();
                migratable().spawn(move || {
                    for round in 0..PERMITS {
                        fiber::park();
                        taken[index].store(round + 1, SeqCst);
                        if round % 7 == index % 7 {
                            fiber::yield_now();
                        }
                    }
                })
            })
            .collect();
        let targets: Vec<_> = fibers.iter().map(|fiber| fiber.fiber()).collect();
        let give = {
            let (taken, targets) = (taken.clone(), targets.clone());
            move |indices: std::ops::Range<usize>, give_way: fn()| {
                for round in 0..PERMITS {
                    indices.clone().for_each(|index| targets[index].unpark());
                    for index in indices.clone() {
                        while taken[index].load(SeqCst) <= round {
                            give_way();
                        }
                    }
                }
            }
        };
        let thread = std::thread::spawn({
            let give = give.clone();
            move || give(0..FIBERS / 2, std::thread::yield_now)
        });
        let fiber = migratable().spawn(move || give(FIBERS / 2..FIBERS, fiber::yield_now));
        fiber.join().unwrap();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        thread.join().unwrap();
    });
}

#[test]
fn cancellations_meet_moves() {
    on_each(4, || {
        for round in 0..20 {
            let fibers: Vec<_> = (0..200)
                .map(|number| {
                    migratable().spawn(move || {
                        loop {
                            match (number + round) % 4 {
                                0 => {
                                    fiber::yield_now();
                                    // Asked here whether it is to end.
                                    sleep(Duration::ZERO);
                                }
                                1 => fiber::park(),
                                2 => sleep(Duration::from_micros(20)),
                                _ => {
                                    fiber::yield_now();
                                    fiber::park_timeout(Duration::from_micros(10));
                                }
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..round {
                fiber::yield_now();
            }
            let (some, others): (Vec<_>, Vec<_>) =
                fibers.iter().map(|fiber| fiber.fiber()).enumerate().partition(|(index, _)| index % 2 == 0);
            let thread = std::thread::spawn(move || others.iter().for_each(|(_, fiber)| fiber.cancel()));
            some.iter().for_each(|(_, fiber)| fiber.cancel());
            thread.join().unwrap();
            for fiber in fibers {
                assert!(fiber.join().unwrap_err().is_cancelled());
            }
        }
    });
}

#[test]
fn a_runtime_is_shut_down_while_its_fibers_move() {
    for workers in [2, 4] {
        let runtime = watched(restless(workers));
        let ended = Arc::new(AtomicUsize::new(0));
        struct Counts(Arc<AtomicUsize>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        runtime.run(|| {
            for number in 0..300 {
                let counts = Counts(ended.clone());
                drop(migratable().spawn(move || {
                    let _counts = counts;
                    loop {
                        match number % 3 {
                            0 => fiber::park(),
                            1 => sleep(Duration::from_secs(3600)),
                            _ => {
                                fiber::yield_now();
                                sleep(Duration::from_micros(50));
                            }
                        }
                    }
                }));
            }
            sleep(Duration::from_millis(2));
        });
        drop(runtime);
        assert_eq!(ended.load(SeqCst), 300);
    }
}

#[test]
fn panics_on_the_move_poison_what_they_hold_and_nothing_else() {
    on_each(3, || {
        let fibers: Vec<_> = (0..100)
            .map(|number| {
                migratable().spawn(move || {
                    let lock = Arc::new(Mutex::new(number));
                    let fiber = migratable().spawn({
                        let lock = lock.clone();
                        move || {
                            let _guard = lock.lock().unwrap();
                            fiber::yield_now();
                            if number % 2 == 0 {
                                std::panic::resume_unwind(Box::new("on purpose"));
                            }
                        }
                    });
                    assert_eq!(fiber.join().is_err(), number % 2 == 0);
                    (lock.lock().is_err(), number % 2 == 0)
                })
            })
            .collect();
        for fiber in fibers {
            let (is_poisoned, panicked) = fiber.join().unwrap();
            assert_eq!(is_poisoned, panicked);
        }
    });
}

#[test]
fn echoes_cross_the_workers() {
    on_each(3, || {
        let listener = fiber::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let server = fiber::spawn({
            let stop = stop.clone();
            move || {
                let mut connections = Vec::new();
                while let Ok((mut stream, _)) = listener.accept() {
                    if stop.load(SeqCst) {
                        break;
                    }
                    connections.push(migratable().spawn(move || {
                        let mut buffer = [0; 64];
                        while let Ok(count @ 1..) = stream.read(&mut buffer) {
                            fiber::yield_now();
                            stream.write_all(&buffer[..count]).unwrap();
                        }
                    }));
                }
                connections.into_iter().for_each(|connection| connection.join().unwrap());
            }
        });
        let clients: Vec<_> = (0..40_u8)
            .map(|number| {
                migratable().spawn(move || {
                    let mut stream = fiber::net::TcpStream::connect(address).unwrap();
                    let mut answer = [0; 8];
                    for round in 0..20_u8 {
                        stream.write_all(&[number ^ round; 8]).unwrap();
                        stream.read_exact(&mut answer).unwrap();
                        assert_eq!(answer, [number ^ round; 8]);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        stop.store(true, SeqCst);
        drop(fiber::net::TcpStream::connect(address));
        server.join().unwrap();
    });
}
