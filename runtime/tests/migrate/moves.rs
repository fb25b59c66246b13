//! That fibers move, by each way of waiting, and keep what is theirs.

use super::{here, hold_until, migratable, moves, restless};
use crate::common::{until_waiting, watched};
use crate::sysfs::Machine;
use fiber::runtime::{Builder, Handle, Reason, Topology};
use fiber::sync::mpsc::channel;
use fiber::sync::{Condvar, Mutex, Notify, RwLock, Semaphore};
use fiber::time::{sleep, timeout};
use fiber::{Numa, select};
use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Whether a migratable fiber, the only one, goes on elsewhere during this.
fn moves_by(wait: impl FnOnce() + Send + 'static) -> bool {
    let fiber = migratable().spawn(move || {
        let before = moves();
        wait();
        before != moves()
    });
    fiber.join().unwrap()
}

#[test]
fn a_fiber_goes_on_elsewhere_after_each_kind_of_wait() {
    watched(restless(2)).run(|| {
        let (before, after) = migratable()
            .spawn(|| {
                (
                    here(),
                    [(); 2].map(|()| {
                        fiber::yield_now();
                        here()
                    }),
                )
            })
            .join()
            .unwrap();
        assert_eq!(after, [1 - before, before]);
        assert!(moves_by(fiber::yield_now));
        assert!(moves_by(|| sleep(Duration::from_micros(100))));
        // What ends the wait of the caller, when it waits.
        fn ends(reason: Reason, end: impl FnOnce() + Send + 'static) -> fiber::JoinHandle<()> {
            let waits = fiber::current();
            fiber::spawn(move || {
                until_waiting(&Handle::try_current().unwrap(), &waits, reason);
                end();
            })
        }
        assert!(moves_by(|| {
            let this = fiber::current();
            drop(ends(Reason::Park, move || this.unpark()));
            fiber::park();
        }));
        assert!(moves_by(|| ends(Reason::Join, || ()).join().unwrap()));
        assert!(moves_by(|| {
            let (sender, receiver) = channel();
            let sending = ends(Reason::Receive, move || sender.send(7).unwrap());
            assert_eq!(receiver.recv(), Ok(7));
            sending.join().unwrap();
        }));
        assert!(moves_by(|| {
            let notify = Arc::new(Notify::new());
            let other = ends(Reason::Notify, {
                let notify = notify.clone();
                move || notify.notify_one()
            });
            notify.notified();
            other.join().unwrap();
        }));
        assert!(moves() >= 6);
    });
}

#[test]
fn a_fiber_moves_between_a_completion_and_what_it_does_then() {
    watched(restless(2)).run(|| {
        let listener = fiber::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = migratable().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut buffer, mut seen, mut moved) = ([0; 16], 0, 0);
            let mut last = here();
            loop {
                let count = stream.read(&mut buffer).unwrap();
                if count == 0 {
                    return (seen, moved);
                }
                moved += usize::from(last != here());
                last = here();
                seen += count;
                stream.write_all(&buffer[..count]).unwrap();
            }
        });
        let mut client = fiber::net::TcpStream::connect(address).unwrap();
        let mut answer = [0; 4];
        for round in 0..200_u32 {
            client.write_all(&round.to_le_bytes()).unwrap();
            client.read_exact(&mut answer).unwrap();
            assert_eq!(u32::from_le_bytes(answer), round);
        }
        drop(client);
        let (seen, moved) = server.join().unwrap();
        assert_eq!(seen, 800);
        assert!(moved > 0, "each read that waited was a chance to move");
    });
}

#[test]
fn without_the_promise_no_started_fiber_moves() {
    watched(restless(4)).run(|| {
        let stays = || {
            let before = here();
            for round in 0..200 {
                fiber::yield_now();
                if round % 50 == 0 {
                    sleep(Duration::from_micros(50));
                }
                assert_eq!(before, here());
            }
        };
        // SAFETY: nothing is promised.
        let declined = || unsafe { migratable().migratable(false) };
        let fibers: Vec<_> = (0..200)
            .map(|number| if number % 2 == 0 { fiber::spawn(stays) } else { declined().spawn(stays) })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(moves(), 0);
    });
}

#[test]
fn the_promise_is_not_handed_on() {
    watched(restless(2)).run(|| {
        let parent = migratable().spawn(|| {
            let child = fiber::spawn(|| {
                let before = here();
                (0..50).for_each(|_| fiber::yield_now());
                before == here()
            });
            child.join().unwrap()
        });
        assert!(parent.join().unwrap());
    });
}

fiber::fiber_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

#[test]
fn what_is_the_fibers_moves_with_it() {
    watched(restless(3)).run(|| {
        let fibers: Vec<_> = (0..50)
            .map(|number| {
                migratable().name(format!("fiber {number}")).spawn(move || {
                    NUMBER.set(number);
                    let id = fiber::current().id();
                    for _ in 0..50 {
                        fiber::yield_now();
                        assert_eq!(NUMBER.get(), number);
                        assert_eq!(fiber::current().id(), id);
                        assert_eq!(fiber::current().name(), Some(&*format!("fiber {number}")));
                    }
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert!(moves() >= 50 * 50);
        let handle = Handle::try_current().unwrap();
        // Soon after their ends.
        hold_until("their names are forgotten", || handle.dump().fibers().iter().all(|fiber| fiber.name().is_none()));
    });
}

#[test]
fn locks_are_held_across_moves() {
    watched(restless(3)).run(|| {
        let count = Arc::new((Mutex::new(0_usize), RwLock::new(0_usize), Semaphore::new(2), Condvar::new()));
        let fibers: Vec<_> = (0..30)
            .map(|_| {
                let count = count.clone();
                migratable().spawn(move || {
                    for _ in 0..20 {
                        let mut guard = count.0.lock().unwrap();
                        let seen = *guard;
                        fiber::yield_now();
                        *guard = seen + 1;
                        drop(guard);
                        count.3.notify_one();
                        let seen = *count.1.read().unwrap();
                        let _permit = count.2.acquire();
                        fiber::yield_now();
                        let mut guard = count.1.write().unwrap();
                        assert!(*guard >= seen);
                        fiber::yield_now();
                        *guard += 1;
                    }
                })
            })
            .collect();
        let mut guard = count.0.lock().unwrap();
        while *guard < 600 {
            guard = count.3.wait(guard).unwrap();
        }
        drop(guard);
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!((*count.0.lock().unwrap(), *count.1.read().unwrap()), (600, 600));
    });
}

#[test]
fn a_time_limit_keeps_its_fiber_and_is_kept() {
    watched(restless(2)).run(|| {
        let fiber = migratable().spawn(|| {
            for _ in 0..20 {
                let home = here();
                let late = timeout(Duration::from_millis(1), || {
                    loop {
                        fiber::yield_now();
                        assert!(here() == home || fiber::is_cancelled(), "the timer is set there");
                        sleep(Duration::ZERO);
                    }
                });
                assert!(late.is_err());
                let done = timeout(Duration::from_secs(3600), || {
                    let home = here();
                    (0..3).for_each(|_| fiber::yield_now());
                    here() == home
                });
                assert_eq!(done, Ok(true));
                fiber::park_timeout(Duration::from_micros(100));
                fiber::yield_now();
            }
            moves()
        });
        assert!(fiber.join().unwrap() > 0, "in between it moves");
    });
}

#[test]
fn several_things_are_waited_for_on_the_move() {
    watched(restless(3)).run(|| {
        let (to, from) = fiber::sync::mpmc::sync_channel(1);
        let (back, returned) = channel();
        let fibers: Vec<_> = (0..4)
            .map(|_| {
                let (from, back) = (from.clone(), back.clone());
                migratable().spawn(move || {
                    let mut limit = fiber::time::after(Duration::from_secs(600));
                    loop {
                        let message = select! {
                            message = from.recv() => message,
                            () = &mut limit => panic!("late"),
                        };
                        match message {
                            Ok(number) => back.send(number + 1).unwrap(),
                            Err(_) => return,
                        }
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        drop((from, back));
        let sending = migratable().spawn(move || (0..400_u64).for_each(|number| to.send(number).unwrap()));
        let sum: u64 = (0..400).map(|_| returned.recv().unwrap()).sum();
        assert_eq!(sum, (1..=400).sum());
        sending.join().unwrap();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn a_bound_fiber_moves_on_its_node_only() {
    let machine = Machine::of_nodes(2, 2);
    let builder = restless(4).topology(Topology::below(machine.root()));
    watched(builder).run(|| {
        let node = || Handle::try_current().unwrap().worker_metrics()[here()].node;
        let workers = Arc::new([const { AtomicUsize::new(0) }; 4]);
        for home in 0..2 {
            let fibers: Vec<_> = (0..40)
                .map(|_| {
                    let workers = workers.clone();
                    migratable().numa(Numa::Node(home)).spawn(move || {
                        for round in 0..40 {
                            assert_eq!(node(), home);
                            workers[here()].fetch_add(1, SeqCst);
                            if round % 10 == 0 {
                                sleep(Duration::from_micros(100));
                            }
                            fiber::yield_now();
                        }
                    })
                })
                .collect();
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        }
        let seen: usize = workers.iter().map(|count| count.load(SeqCst)).sum();
        assert_eq!(seen, 2 * 40 * 40);
    });
}

#[test]
fn slots_and_stacks_go_back_to_where_they_are_from() {
    let machine = Machine::of_nodes(2, 1);
    let runtime = restless(2).topology(Topology::below(machine.root())).build().unwrap();
    for _ in 0..20 {
        runtime.run(|| {
            let fibers: Vec<_> =
                (0..100).map(|_| migratable().spawn(|| (0..3).for_each(|_| fiber::yield_now()))).collect();
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        });
    }
    // Each stack that a fiber took away from the pool of its node is back there, or with a worker.
    let dump = runtime.handle().dump().to_string();
    let mapped: usize = dump.split("stacks: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(mapped <= 1024, "{dump}");
}

#[test]
fn one_fiber_alone_stays() {
    let builder = Builder::new().workers(4);
    watched(builder).run(|| {
        let fiber = migratable().spawn(|| {
            let before = moves();
            (0..10_000).for_each(|_| fiber::yield_now());
            moves() - before
        });
        let moved = fiber.join().unwrap();
        assert!(moved < 100, "it moved {moved} times, though there was nobody else to run");
    });
}
