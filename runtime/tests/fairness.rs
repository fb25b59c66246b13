#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! No source of work starves another. Bounds are counted in yields of whoever is busy, and are generous; the promise is that
//! there are bounds.

mod common;

use common::{Count, eventually, here, runtime, state, until_waiting};
use fiber::net::{TcpListener, TcpStream};
use fiber::runtime::{Reason, State};
use fiber::sync::mpsc::channel;
use fiber::time::{sleep, timeout};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How many yields of a spinning fiber anything may take that is due.
const BOUND: u64 = 200_000;

/// Yields until the flag is set and says how often.
fn spin_until(what: &str, flag: &AtomicBool) -> u64 {
    let mut yields = 0;
    while !flag.load(SeqCst) {
        fiber::yield_now();
        yields += 1;
        assert!(yields < BOUND, "{what} is starved by a fiber that yields");
    }
    yields
}

fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

fn set(flag: &Arc<AtomicBool>) -> impl FnOnce() + Send + 'static {
    let flag = flag.clone();
    move || flag.store(true, SeqCst)
}

#[test]
fn a_spinning_fiber_does_not_starve_fresh_ones() {
    runtime(1).run(|| {
        for _ in 0..20 {
            let (one, two) = (flag(), flag());
            fiber::spawn(set(&one));
            fiber::spawn_local(set(&two));
            spin_until("a fresh fiber", &one);
            spin_until("a fresh local fiber", &two);
        }
    });
}

#[test]
fn a_spinning_fiber_does_not_starve_timers() {
    runtime(1).run(|| {
        for _ in 0..10 {
            let woken = flag();
            let deadline = Instant::now() + Duration::from_micros(300);
            let sleeper = fiber::spawn({
                let set = set(&woken);
                move || {
                    fiber::time::sleep_until(deadline);
                    set();
                }
            });
            eventually("it sleeps, or has slept", || {
                woken.load(SeqCst) || state(&here(), &sleeper.fiber()) == Some(State::Waiting(Reason::Sleep))
            });
            // Due from here on.
            while Instant::now() < deadline {
                fiber::yield_now();
            }
            spin_until("a timer", &woken);
        }
    });
}

#[test]
fn a_spinning_fiber_does_not_starve_its_own_limits() {
    runtime(1).run(|| {
        let begin = Instant::now();
        let mut yields = 0u64;
        let outcome = timeout(Duration::from_micros(500), || {
            loop {
                fiber::yield_now();
                if begin.elapsed() > Duration::from_micros(500) {
                    yields += 1;
                    assert!(yields < BOUND, "a limit is starved by the fiber that it limits");
                }
                // A wait now and then; one that ends at once, unless the limit has passed.
                fiber::park_timeout(Duration::ZERO);
            }
        });
        assert!(outcome.is_err() || matches!(outcome, Ok(())));
    });
}

#[test]
fn a_spinning_fiber_does_not_starve_sockets() {
    runtime(1).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = flag();
        let server = fiber::spawn({
            let served = served.clone();
            move || {
                let (mut peer, _) = listener.accept().unwrap();
                let mut buf = [0; 4];
                peer.read_exact(&mut buf).unwrap();
                served.store(true, SeqCst);
                peer.write_all(&buf).unwrap();
            }
        });
        until_waiting(&here(), &server.fiber(), Reason::Accept);
        let sent = flag();
        // From outside, so that nothing on this worker has to go on for it but the server.
        let client = std::thread::spawn({
            let set = set(&sent);
            move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(b"ping").unwrap();
                set();
                let mut buf = [0; 4];
                stream.read_exact(&mut buf).unwrap();
                buf
            }
        });
        while !sent.load(SeqCst) {
            fiber::yield_now();
        }
        spin_until("a socket", &served);
        server.join().unwrap();
        assert_eq!(&client.join().unwrap(), b"ping");
    });
}

#[test]
fn a_spinning_fiber_does_not_starve_wakes_from_threads() {
    runtime(1).run(|| {
        for _ in 0..10 {
            let (woken, given) = (flag(), flag());
            let parked = fiber::spawn({
                let set = set(&woken);
                move || {
                    fiber::park();
                    set();
                }
            });
            until_waiting(&here(), &parked.fiber(), Reason::Park);
            let waker = std::thread::spawn({
                let (fiber, set) = (parked.fiber(), set(&given));
                move || {
                    fiber.unpark();
                    set();
                }
            });
            while !given.load(SeqCst) {
                fiber::yield_now();
            }
            spin_until("a wake from a thread", &woken);
            waker.join().unwrap();
        }
    });
}

#[test]
fn a_spinning_fiber_does_not_starve_spawns_from_threads() {
    runtime(1).run(|| {
        for _ in 0..5 {
            let (ran, spawned, handle) = (flag(), flag(), here());
            let spawner = std::thread::spawn({
                let (set_ran, set_spawned) = (set(&ran), set(&spawned));
                move || {
                    handle.spawn(set_ran);
                    set_spawned();
                }
            });
            while !spawned.load(SeqCst) {
                fiber::yield_now();
            }
            spin_until("a spawn from a thread", &ran);
            spawner.join().unwrap();
        }
    });
}

/// Spawns its successor, for as long as it is told to, or up to the bound.
fn breed(stop: &Arc<AtomicBool>, bred: &Arc<AtomicU64>, local: bool) {
    if stop.load(SeqCst) || bred.load(SeqCst) >= BOUND {
        return;
    }
    bred.fetch_add(1, SeqCst);
    let (stop, bred) = (stop.clone(), bred.clone());
    let next = move || breed(&stop, &bred, local);
    if local {
        fiber::spawn_local(next);
    } else {
        fiber::spawn(next);
    }
}

/// Yields until a thread, however late it runs, has set the flag. What is bred until then counts for nothing.
fn until_set_by_thread(flag: &AtomicBool, bred: &AtomicU64) {
    while !flag.load(SeqCst) {
        assert!(bred.swap(0, SeqCst) < BOUND, "a fiber that yields is starved by fibers that spawn fibers");
        fiber::yield_now();
    }
}

#[test]
fn a_line_of_spawns_does_not_starve_others() {
    for local in [false, true] {
        runtime(1).run(|| {
            let (stop, bred) = (flag(), Arc::<AtomicU64>::default());
            let (oldest, other) = (flag(), flag());
            // Older than the line, and taken last by those who take the newest first.
            fiber::spawn(set(&oldest));
            fiber::spawn_local(set(&other));
            breed(&stop, &bred, local);
            eventually("a fresh fiber has run", || oldest.load(SeqCst));
            eventually("a local fresh fiber has run", || other.load(SeqCst));
            let ((sender, receiver), (sent, received)) = (channel(), (flag(), flag()));
            let receiving = fiber::spawn({
                let set = set(&received);
                move || {
                    assert_eq!(receiver.recv(), Ok(1));
                    set();
                }
            });
            until_waiting(&here(), &receiving.fiber(), Reason::Receive);
            let thread = std::thread::spawn({
                let set = set(&sent);
                move || {
                    sender.send(1).unwrap();
                    set();
                }
            });
            until_set_by_thread(&sent, &bred);
            eventually("a message has woken its receiver", || received.load(SeqCst));
            stop.store(true, SeqCst);
            thread.join().unwrap();
            receiving.join().unwrap();
            assert!(bred.load(SeqCst) < BOUND, "others are starved by fibers that spawn fibers, local: {local}");
        });
    }
}

#[test]
fn a_flood_of_local_spawns_does_not_starve_others() {
    runtime(1).run(|| {
        let (stop, bred, ran) = (flag(), Arc::<AtomicU64>::default(), flag());
        // More lines than a turn has places.
        (0..200).for_each(|_| breed(&stop, &bred, true));
        fiber::spawn(set(&ran));
        let (handle, spawned, ran_outside) = (here(), flag(), flag());
        let from_outside = std::thread::spawn({
            let (set_spawned, set_ran) = (set(&spawned), set(&ran_outside));
            move || {
                let fiber = handle.spawn(set_ran);
                set_spawned();
                fiber.join().unwrap();
            }
        });
        eventually("a fresh fiber has run", || ran.load(SeqCst));
        until_set_by_thread(&spawned, &bred);
        eventually("what a thread spawned has run", || ran_outside.load(SeqCst));
        stop.store(true, SeqCst);
        from_outside.join().unwrap();
        assert!(bred.load(SeqCst) < BOUND, "others are starved by a flood of local spawns");
    });
}

#[test]
fn a_flood_of_wakes_does_not_starve_others() {
    runtime(1).run(|| {
        let stop = flag();
        let parked: Vec<_> = (0..300)
            .map(|_| {
                let stop = stop.clone();
                fiber::spawn(move || {
                    while !stop.load(SeqCst) {
                        fiber::park();
                    }
                })
            })
            .collect();
        let names: Vec<_> = parked.iter().map(|fiber| fiber.fiber()).collect();
        let flood = std::thread::spawn({
            let stop = stop.clone();
            move || {
                while !stop.load(SeqCst) {
                    names.iter().for_each(fiber::Fiber::unpark);
                }
                names.iter().for_each(fiber::Fiber::unpark);
            }
        });
        let (fresh, slept) = (flag(), flag());
        fiber::spawn(set(&fresh));
        fiber::spawn({
            let set = set(&slept);
            move || {
                sleep(Duration::from_micros(100));
                set();
            }
        });
        eventually("a fresh fiber has run", || fresh.load(SeqCst));
        eventually("a timer has fired", || slept.load(SeqCst));
        stop.store(true, SeqCst);
        flood.join().unwrap();
        parked.into_iter().for_each(|fiber| {
            fiber.fiber().unpark();
            fiber.join().unwrap();
        });
    });
}

#[test]
fn a_flood_of_spawns_from_threads_does_not_starve_others() {
    let runtime = runtime(1);
    let (stop, ran) = (flag(), Count::new());
    let flood = std::thread::spawn({
        let (handle, stop, ran) = (runtime.handle(), stop.clone(), ran.clone());
        move || {
            while !stop.load(SeqCst) {
                let fibers: Vec<_> = (0..200)
                    .map(|_| {
                        let ran = ran.clone();
                        handle.spawn(move || ran.add())
                    })
                    .collect();
                fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            }
        }
    });
    eventually("the flood has begun", || ran.get() > 0);
    runtime.run(|| {
        for _ in 0..50 {
            let fresh = flag();
            let fiber = fiber::spawn(set(&fresh));
            sleep(Duration::from_micros(20));
            eventually("a fresh fiber has run", || fresh.load(SeqCst));
            fiber.join().unwrap();
        }
    });
    stop.store(true, SeqCst);
    flood.join().unwrap();
}

#[test]
fn a_busy_pair_of_streams_does_not_hold_the_worker() {
    runtime(1).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let ran = flag();
        fiber::spawn(set(&ran));
        let mut rounds = 0u64;
        // Data is always there, so no call has to wait.
        while !ran.load(SeqCst) {
            client.write_all(&[1; 8]).unwrap();
            server.read_exact(&mut [0; 8]).unwrap();
            rounds += 1;
            assert!(rounds < BOUND, "operations that complete at once yield now and then");
        }
    });
}

#[test]
fn yielding_fibers_take_turns() {
    runtime(1).run(|| {
        let counts: Vec<_> = (0..50).map(|_| Count::new()).collect();
        let fibers: Vec<_> = counts
            .iter()
            .map(|count| {
                let count = count.clone();
                fiber::spawn_local(move || {
                    for _ in 0..500 {
                        count.add();
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        eventually("all have begun", || counts.iter().all(|count| count.get() > 0));
        for _ in 0..100 {
            let seen: Vec<_> = counts.iter().map(Count::get).collect();
            let (least, most) = (*seen.iter().min().unwrap(), *seen.iter().max().unwrap());
            if most >= 500 {
                break;
            }
            // They began within one budget of fresh fibers, and have gone round together since.
            assert!(most - least <= 300, "{seen:?}");
            fiber::yield_now();
        }
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn work_spreads_from_a_worker_that_has_too_much() {
    let runtime = runtime(2);
    let share = || {
        let fibers: Vec<_> = (0..2000)
            .map(|_| {
                fiber::spawn(|| {
                    let begin = Instant::now();
                    while begin.elapsed() < Duration::from_micros(20) {
                        std::hint::spin_loop();
                    }
                    std::thread::current().id()
                })
            })
            .collect();
        fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect::<std::collections::HashSet<_>>()
    };
    // A worker that the machine keeps from running for so long gets nothing. Not every time.
    assert!((0..100).any(|_| runtime.run(share).len() == 2), "one worker had it all");
}
