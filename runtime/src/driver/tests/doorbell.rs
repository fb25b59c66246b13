//! Sleeping and being woken.

use super::super::{Driver, DriverConfig, Operation};
use super::{Bench, LIMIT, each_driver};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize, fence};
use std::thread;
use std::time::{Duration, Instant};

fn config() -> DriverConfig {
    DriverConfig { submission_entries: 8, completion_entries: 16, ..DriverConfig::default() }
}

/// Parks until `woken` is true. A lost wake-up ends in the message.
fn park_until(bench: &mut Bench, woken: impl Fn() -> bool) {
    let start = Instant::now();
    while !woken() {
        assert!(start.elapsed() < LIMIT, "{}: a ring was lost", bench.driver.name());
        bench.park(LIMIT);
    }
}

#[test]
fn parking_ends_in_time() {
    each_driver(&config(), |bench| {
        for timeout in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(2)] {
            let start = Instant::now();
            bench.driver.arm_doorbell();
            let before = bench.driver.system_calls();
            while start.elapsed() < timeout {
                bench.park(timeout.saturating_sub(start.elapsed()));
            }
            // Early returns are allowed, for a signal say; returning without having waited, time and again, is not.
            assert!(bench.driver.system_calls() - before <= 10);
        }
        let start = Instant::now();
        bench.park(Duration::ZERO);
        assert!(start.elapsed() < LIMIT);
    });
}

#[test]
fn the_longest_timeout_does_not_overflow() {
    each_driver(&config(), |bench| {
        // A wait that ends at once because its time overflowed would return before the thread rings.
        let (bell, rang) = (bench.driver.doorbell(), AtomicBool::new(false));
        bench.driver.arm_doorbell();
        bench.turn();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                rang.store(true, SeqCst);
                bell.ring();
            });
            let mut parks = 0;
            while !rang.load(SeqCst) {
                bench.park(Duration::MAX);
                parks += 1;
            }
            // Thousands, if they end at once; a few may, for whatever reason of the kernel's.
            assert!(parks < 100, "{parks} waits of the longest time in 20 ms");
        });
        // The ring may still be on its way.
        bench.park(Duration::ZERO);
    });
}

#[test]
fn a_ring_wakes_a_sleeper() {
    each_driver(&config(), |bench| {
        let (bell, rang) = (bench.driver.doorbell(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                rang.store(true, SeqCst);
                bell.ring();
            });
            park_until(bench, || rang.load(SeqCst));
        });
    });
}

#[test]
fn a_ring_before_the_sleep_is_kept() {
    each_driver(&config(), |bench| {
        for armed in [false, true] {
            if armed {
                bench.driver.arm_doorbell();
                bench.turn();
            }
            bench.driver.doorbell().ring();
            let start = Instant::now();
            bench.driver.park(Some(LIMIT), &mut |_| ());
            assert!(start.elapsed() < LIMIT, "{}: slept through a ring", bench.driver.name());
        }
    });
}

#[test]
fn a_completion_ends_the_sleep_too() {
    each_driver(&config(), |bench| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buf = [0u8; 4];
        let operation = Operation::Recv { fd: ours.as_raw_fd(), buf: buf.as_mut_ptr(), len: 4, flags: 0 };
        // SAFETY: the buffer lives until the token was waited for.
        let token = unsafe { bench.submit(operation) };
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(5));
                theirs.write_all(b"x").unwrap();
                theirs
            });
            assert_eq!(bench.wait(token), 1);
        });
    });
}

#[test]
fn a_doorbell_outlives_its_driver() {
    let driver = Driver::new(&config()).unwrap();
    let bell = driver.doorbell();
    bell.clone().ring();
    drop(driver);
    thread::spawn(move || bell.ring()).join().unwrap();
}

#[test]
fn a_counter_at_its_end_still_rings() {
    each_driver(&config(), |bench| {
        let bell = bench.driver.doorbell();
        bench.driver.arm_doorbell();
        bench.turn();
        // The largest value that the counter can have: the next write of one finds no room.
        let most = (u64::MAX - 1).to_ne_bytes();
        // SAFETY: eight bytes are read from the array.
        assert_eq!(unsafe { libc::write(bell.fd(), most.as_ptr().cast(), 8) }, 8);
        bench.driver.park(Some(LIMIT), &mut |_| ());
        bench.turn();
        let (start, rang) = (Instant::now(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                rang.store(true, SeqCst);
                bell.ring();
            });
            park_until(bench, || rang.load(SeqCst));
        });
        assert!(start.elapsed() < LIMIT);
    });
}

/// The parking protocol of the room's rule 4, with a producer that rings only when it sees "sleeping".
///
/// Each round waits for the one before, so the consumer is at every point of falling asleep when work arrives.
#[test]
fn no_ring_is_lost_while_falling_asleep() {
    const ROUNDS: usize = 5000;
    each_driver(&config(), |bench| {
        let bell = bench.driver.doorbell();
        let (sleeping, pushed, taken) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    while taken.load(SeqCst) != round - 1 {
                        thread::yield_now();
                    }
                    // A different moment each time.
                    (0..round % 64).for_each(|_| std::hint::spin_loop());
                    pushed.store(round, Relaxed);
                    fence(SeqCst);
                    if sleeping.load(Relaxed) {
                        bell.ring();
                    }
                }
            });
            for round in 1..=ROUNDS {
                let start = Instant::now();
                while pushed.load(SeqCst) != round {
                    assert!(start.elapsed() < LIMIT, "{}: the ring of round {round} was lost", bench.driver.name());
                    bench.driver.arm_doorbell();
                    sleeping.store(true, Relaxed);
                    fence(SeqCst);
                    if pushed.load(SeqCst) != round {
                        bench.park(LIMIT);
                    }
                    sleeping.store(false, Relaxed);
                }
                taken.store(round, SeqCst);
            }
        });
    });
}
