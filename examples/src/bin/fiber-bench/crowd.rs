//! What is done by many fibers at once: trees of them, waiting, sleeping.

use crate::report::{Measured, Random, compute, processor_seconds, resident_bytes};
use fiber::sync::Barrier;
use fiber::time::sleep;
use fiber::{JoinError, JoinHandle};
use hdrhistogram::Histogram;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Outcome = Result<Measured, Box<dyn Error + Send + Sync>>;

/// The sum of the leaves from `first` on.
fn leaves(first: u64, count: u64) -> Result<u64, JoinError> {
    if count == 1 {
        return Ok(first);
    }
    let each = count / 10;
    let children: [_; 10] = std::array::from_fn(|child| {
        let first = first + each * child as u64;
        fiber::spawn(move || leaves(first, each))
    });
    children.into_iter().try_fold(0, |sum, child| Ok(sum + child.join()??))
}

pub(crate) fn skynet(count: u64) -> Outcome {
    if count == 0 || 10_u64.pow(count.ilog10()) != count {
        return Err("the number of leaves is a power of ten".into());
    }
    let (begin, busy) = (Instant::now(), processor_seconds());
    let sum = leaves(0, count)?;
    let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
    assert_eq!(sum, count * (count - 1) / 2, "every leaf was added once");
    Ok(Measured::new("skynet", time.as_secs_f64() * 1e3, "ms").with("leaves", count).and("cpu_s", busy))
}

pub(crate) fn idle(n: usize, settle: u64) -> Outcome {
    let parked = Arc::new(AtomicUsize::new(0));
    let released = Arc::new(AtomicBool::new(false));
    let mut fibers: Vec<JoinHandle<()>> = Vec::with_capacity(n);
    let before = resident_bytes()?;
    fibers.extend((0..n).map(|_| {
        let (parked, released) = (Arc::clone(&parked), Arc::clone(&released));
        fiber::spawn(move || {
            parked.fetch_add(1, Ordering::Relaxed);
            // Whoever unparks may do so before everybody is released.
            while !released.load(Ordering::Acquire) {
                fiber::park();
            }
        })
    }));
    while parked.load(Ordering::Relaxed) < n {
        sleep(Duration::from_millis(10));
    }
    let resident = resident_bytes()?.saturating_sub(before);
    // What nobody wakes costs no time.
    let busy = processor_seconds();
    sleep(Duration::from_secs(1));
    let busy = processor_seconds() - busy;
    released.store(true, Ordering::Release);
    fibers.iter().for_each(|fiber| fiber.fiber().unpark());
    fibers.into_iter().try_for_each(JoinHandle::join)?;
    let each = |bytes: u64| bytes as f64 / n as f64;
    let measured = Measured::new("idle", each(resident), "bytes").with("n", n).and("cpu_s_per_second", busy);
    if settle == 0 {
        return Ok(measured);
    }
    sleep(Duration::from_secs(settle));
    let left = resident_bytes()?.saturating_sub(before);
    Ok(measured.with("settle", settle).and("bytes_left", each(left)))
}

pub(crate) fn timers(n: usize) -> Outcome {
    let busy = processor_seconds();
    let mut random = Random::new(1);
    let fibers: Vec<JoinHandle<Duration>> = (0..n)
        .map(|_| {
            let time = Duration::from_nanos(random.below(1_000_000_000));
            fiber::spawn(move || {
                let due = Instant::now() + time;
                sleep(time);
                due.elapsed()
            })
        })
        .collect();
    let mut late = Histogram::<u64>::new(3)?;
    for fiber in fibers {
        late.record(u64::try_from(fiber.join()?.as_nanos())?)?;
    }
    let busy = processor_seconds() - busy;
    let microseconds = |quantile| late.value_at_quantile(quantile) as f64 / 1e3;
    let measured = Measured::new("timers", microseconds(0.99), "us").with("n", n);
    Ok(measured.and("p50_us", microseconds(0.5)).and("max_us", late.max() as f64 / 1e3).and("cpu_s", busy))
}

pub(crate) fn fanout(children: usize, repeat: usize) -> Outcome {
    let busy = processor_seconds();
    let mut times: Vec<Duration> = Vec::with_capacity(repeat);
    for _ in 0..repeat.max(1) {
        let start = Arc::new(Barrier::new(children + 1));
        let fibers: Vec<JoinHandle<()>> = (0..children)
            .map(|_| {
                let start = Arc::clone(&start);
                fiber::spawn(move || {
                    start.wait();
                    for _ in 0..10 {
                        sleep(Duration::from_millis(1));
                        compute(5_000);
                    }
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        fibers.into_iter().try_for_each(JoinHandle::join)?;
        times.push(begin.elapsed());
    }
    let busy = processor_seconds() - busy;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    Ok(Measured::new("fanout", median, "ms").with("children", children).with("repeat", repeat).and("cpu_s", busy))
}
