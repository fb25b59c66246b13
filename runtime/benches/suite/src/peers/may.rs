//! `may`: stackful coroutines on several workers.

use super::{Outcome, Refusal};
use crate::command::Bench;
use crate::protocol::Protocol;
use crate::report::{Measured, Random, compute, processor_seconds, resident_bytes};
use ::may::coroutine::{JoinHandle, park, sleep, yield_now};
use ::may::go;
use ::may::net::TcpListener;
use ::may::sync::{Mutex, mpsc};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(super) fn measure(bench: &Bench, workers: usize) -> Outcome {
    ::may::config().set_workers(workers);
    let bench = bench.clone();
    go!(move || match bench {
        Bench::Yield { tasks, iters } => yields(tasks, iters),
        Bench::Spawn { n, batch } => spawns(n, batch.clamp(1, n.max(1))),
        Bench::Pingpong { rounds } => ping_pong(rounds),
        Bench::Skynet { leaves } => skynet(leaves),
        Bench::Idle { n, .. } => idle(n),
        Bench::Timers { n } => timers(n),
        Bench::Mutex { tasks, iters } => mutex(tasks, iters),
        Bench::Fanout { children, repeat } => fanout(children, repeat),
        Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?),
        Bench::HttpServer { port, .. } => serve(port, Protocol::Http),
        // A second runtime in a process, or files: there is none.
        Bench::Start { .. } | Bench::Fsread { .. } => Err(Refusal::NotExpressible.into()),
    })
    .join()
    .expect("no coroutine panics")
}

fn join(coroutines: impl IntoIterator<Item = JoinHandle<()>>) {
    coroutines.into_iter().for_each(|coroutine| coroutine.join().expect("no coroutine panics"));
}

/// As many coroutines that do the same: the time, and the processor's.
fn together<F: Fn() + Clone + Send + 'static>(count: usize, body: F) -> (Duration, f64) {
    let (begin, busy) = (Instant::now(), processor_seconds());
    let all: Vec<_> = (0..count).map(|_| go!(body.clone())).collect();
    join(all);
    (begin.elapsed(), processor_seconds() - busy)
}

fn yields(tasks: usize, iters: usize) -> Outcome {
    let (time, busy) = together(tasks, move || (0..iters).for_each(|_| yield_now()));
    let each = time.as_nanos() as f64 / (tasks * iters) as f64;
    Ok(Measured::new("yield", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy))
}

fn mutex(tasks: usize, iters: usize) -> Outcome {
    let shared = Arc::new(Mutex::new(0_usize));
    let counted = Arc::clone(&shared);
    let (time, busy) = together(tasks, move || (0..iters).for_each(|_| *counted.lock().expect("nobody panics") += 1));
    assert_eq!(*shared.lock().expect("nobody panics"), tasks * iters, "the lock excludes");
    let each = time.as_nanos() as f64 / (tasks * iters) as f64;
    Ok(Measured::new("mutex", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy))
}

fn spawns(n: usize, batch: usize) -> Outcome {
    let (begin, busy) = (Instant::now(), processor_seconds());
    let mut left = n;
    let mut coroutines = Vec::with_capacity(batch);
    while left > 0 {
        let count = left.min(batch);
        coroutines.extend((0..count).map(|number| {
            go!(move || {
                black_box(number);
            })
        }));
        join(coroutines.drain(..));
        left -= count;
    }
    let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
    let each = time.as_nanos() as f64 / n as f64;
    Ok(Measured::new("spawn", each, "ns").with("n", n).with("batch", batch).and("cpu_s", busy))
}

fn ping_pong(rounds: usize) -> Outcome {
    let (to_other, from_one) = mpsc::channel::<usize>();
    let (to_one, from_other) = mpsc::channel::<usize>();
    let other = go!(move || from_one.iter().for_each(|ball| to_one.send(ball).expect("the first waits")));
    let one = go!(move || {
        let back_and_forth = |ball| {
            to_other.send(ball).expect("the other is there");
            assert_eq!(from_other.recv(), Ok(ball), "the ball comes back");
        };
        back_and_forth(0);
        let (begin, busy) = (Instant::now(), processor_seconds());
        (0..rounds).for_each(back_and_forth);
        (begin.elapsed(), processor_seconds() - busy)
    });
    let (time, busy) = one.join().expect("no coroutine panics");
    join([other]);
    let each = time.as_nanos() as f64 / rounds as f64;
    Ok(Measured::new("pingpong", each, "ns").with("rounds", rounds).and("cpu_s", busy))
}

fn leaves(first: u64, count: u64) -> u64 {
    if count == 1 {
        return first;
    }
    let each = count / 10;
    let children: [_; 10] = std::array::from_fn(|child| {
        let first = first + each * child as u64;
        go!(move || leaves(first, each))
    });
    children.into_iter().map(|child| child.join().expect("no coroutine panics")).sum()
}

fn skynet(count: u64) -> Outcome {
    let (begin, busy) = (Instant::now(), processor_seconds());
    let sum = leaves(0, count);
    let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
    assert_eq!(sum, count * (count - 1) / 2, "every leaf was added once");
    Ok(Measured::new("skynet", time.as_secs_f64() * 1e3, "ms").with("leaves", count).and("cpu_s", busy))
}

fn idle(n: usize) -> Outcome {
    let parked = Arc::new(AtomicUsize::new(0));
    let mut coroutines = Vec::with_capacity(n);
    let before = resident_bytes()?;
    coroutines.extend((0..n).map(|_| {
        let parked = Arc::clone(&parked);
        go!(move || {
            parked.fetch_add(1, Ordering::Relaxed);
            loop {
                park();
            }
        })
    }));
    while parked.load(Ordering::Relaxed) < n {
        sleep(Duration::from_millis(10));
    }
    let resident = resident_bytes()?.saturating_sub(before);
    std::mem::forget::<Vec<JoinHandle<()>>>(coroutines);
    Ok(Measured::new("idle", resident as f64 / n as f64, "bytes").with("n", n))
}

fn timers(n: usize) -> Outcome {
    let busy = processor_seconds();
    let mut random = Random::new(1);
    let coroutines: Vec<_> = (0..n)
        .map(|_| {
            let time = Duration::from_nanos(random.below(1_000_000_000));
            go!(move || {
                let due = Instant::now() + time;
                sleep(time);
                due.elapsed()
            })
        })
        .collect();
    let mut late: Vec<Duration> = coroutines.into_iter().map(|one| one.join().expect("no coroutine panics")).collect();
    late.sort_unstable();
    let busy = processor_seconds() - busy;
    let quantile = |share: f64| late[((n - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let measured = Measured::new("timers", quantile(0.99), "us").with("n", n);
    Ok(measured.and("p50_us", quantile(0.5)).and("max_us", quantile(1.0)).and("cpu_s", busy))
}

fn fanout(children: usize, repeat: usize) -> Outcome {
    let busy = processor_seconds();
    let body = || {
        for _ in 0..10 {
            sleep(Duration::from_millis(1));
            compute(5_000);
        }
    };
    let mut times: Vec<Duration> = (0..repeat.max(1)).map(|_| together(children, body).0).collect();
    let busy = processor_seconds() - busy;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    Ok(Measured::new("fanout", median, "ms").with("children", children).with("repeat", repeat).and("cpu_s", busy))
}

fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for peer in listener.incoming() {
        let mut peer = peer?;
        peer.set_nodelay(true)?;
        go!(move || protocol.converse(&mut peer));
    }
    Err("the listener ended".into())
}
