//! Sleeping, time limits, and many timers at once.

mod common;

use common::{Run, busy_each, machine, median, quantile};
use fiber::time::{sleep, sleep_until, timeout};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How late a sleep of this length ends.
fn lateness(length: Duration, times: usize, sleep: impl Fn(Duration)) -> f64 {
    let late = (0..times).map(|_| {
        let begin = Instant::now();
        sleep(length);
        let took = begin.elapsed();
        assert!(took >= length, "woke early, after {took:?}");
        (took - length).as_nanos() as f64
    });
    median(late.collect())
}

/// Time limits that are set and taken back, while `others` fibers of the worker sleep.
fn limits(others: usize, times: usize) -> f64 {
    let asleep = Rc::new(Cell::new(0));
    let sleepers: Vec<_> = (0..others)
        .map(|number| {
            let asleep = asleep.clone();
            fiber::spawn_local(move || {
                asleep.set(asleep.get() + 1);
                sleep(Duration::from_secs(3600) + Duration::from_millis(number as u64));
            })
        })
        .collect();
    while asleep.get() < others {
        fiber::yield_now();
    }
    let mut sum = 0;
    let each = busy_each(times, || {
        for number in 0..times {
            // Within the limits of usual programs, not all in the same slot of the wheel.
            sum += timeout(Duration::from_micros(1000 + number as u64 % 1_000_000), || number).unwrap();
        }
    });
    sleepers.iter().for_each(fiber::LocalJoinHandle::cancel);
    sleepers.into_iter().for_each(|sleeper| assert!(sleeper.join().unwrap_err().is_cancelled()));
    assert_eq!(sum, times * (times - 1) / 2);
    each
}

/// Numbers that look random: G. Marsaglia, "Xorshift RNGs" (2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Fibers that each sleep until a moment of their own in `window`: lateness at the median and at 99 %, in microseconds, and the
/// processor time in seconds, first until all are asleep, then until all have ended.
fn many(fibers: usize, window: Duration) -> [f64; 4] {
    let late = Rc::new(RefCell::new(Vec::with_capacity(fibers)));
    let asleep = Rc::new(Cell::new(0));
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let clock = || machine::read(machine::PROCESS_CLOCK) as f64 / 1e9;
    let first = clock();
    // Far enough ahead for all to have started, on stacks that are touched for the first time, when the first is due.
    let begin = Instant::now() + Duration::from_micros(10) * fibers as u32 + Duration::from_millis(1);
    let sleepers: Vec<_> = (0..fibers)
        .map(|_| {
            let due = begin + Duration::from_nanos(random(&mut seed) % window.as_nanos() as u64);
            let (late, asleep) = (late.clone(), asleep.clone());
            fiber::spawn_local(move || {
                asleep.set(asleep.get() + 1);
                sleep_until(due);
                let woke = Instant::now();
                assert!(woke >= due, "woke early");
                late.borrow_mut().push((woke - due).as_nanos() as f64 / 1000.0);
            })
        })
        .collect();
    while asleep.get() < fibers {
        fiber::yield_now();
    }
    let second = clock();
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    let third = clock();
    let late = late.take();
    assert_eq!(late.len(), fibers);
    [quantile(late.clone(), 0.5), quantile(late, 0.99), second - first, third - second]
}

fn main() {
    let run = Run::start("timers, on one worker");
    let times = run.pick(300_000, 1000);
    machine::on_one(|| {
        let runtime = common::runtime(1);
        run.compare(
            "sleep of zero",
            "ns",
            9,
            &mut [
                ("fiber::time::sleep", &mut || {
                    runtime.run(|| busy_each(times, || (0..times).for_each(|_| sleep(Duration::ZERO))))
                }),
                ("fiber::yield_now", &mut || {
                    runtime.run(|| busy_each(times, || (0..times).for_each(|_| fiber::yield_now())))
                }),
            ],
        );
        for micros in [10, 100, 1000] {
            let length = Duration::from_micros(micros);
            let times = run.pick(100_000 / micros as usize, 5);
            run.compare(
                &format!("sleep of {micros} us, how late at the median"),
                "ns",
                5,
                &mut [
                    ("fiber::time::sleep", &mut || runtime.run(|| lateness(length, times, sleep))),
                    ("std::thread::sleep", &mut || lateness(length, times, std::thread::sleep)),
                ],
            );
        }
        let others = run.pick(100_000, 100);
        run.compare(
            "timeout set and taken back around a no-op",
            "ns",
            5,
            &mut [
                (&*format!("fiber::time::timeout, {others} others asleep"), &mut || {
                    runtime.run(|| limits(others, times))
                }),
                ("fiber::time::timeout, no others", &mut || runtime.run(|| limits(0, times))),
            ],
        );
    });
    let title = "many timers";
    if !run.selects(title) {
        return;
    }
    let (fibers, window) = run.pick((100_000, Duration::from_secs(1)), (1000, Duration::from_millis(20)));
    println!("\n{title}: {fibers} fibers, each asleep until a random moment within {window:?}, three rounds");
    println!(
        "  {:>13} {:>13} {:>23} {:>23}",
        "p50 late [us]", "p99 late [us]", "processor, starting [s]", "processor, then [s]"
    );
    machine::on_one(|| {
        let runtime = common::runtime(1);
        for _ in 0..run.pick(3, 1) {
            let [p50, p99, starting, then] = runtime.run(|| many(fibers, window));
            println!("  {p50:>13.1} {p99:>13.1} {starting:>23.3} {then:>23.3}");
        }
    });
}
