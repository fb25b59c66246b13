//! What is done so often that nanoseconds count: yields, spawns, messages, locks.

use crate::crowd::{join, meet};
use crate::report::{Measured, processor_seconds};
use fiber::JoinHandle;
use fiber::runtime::current_worker;
use fiber::sync::{Barrier, Mutex, mpsc};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `tasks` fibers call `body` when all have started.
fn together<F>(tasks: usize, body: F) -> (Duration, f64)
where
    F: Fn() + Clone + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks + 1));
    let mut fibers: Vec<JoinHandle<()>> = (0..tasks)
        .map(|_| {
            let (start, body) = (Arc::clone(&start), body.clone());
            fiber::spawn(move || {
                start.wait();
                body();
            })
        })
        .collect();
    meet(&start, &mut fibers);
    let (begin, busy) = (Instant::now(), processor_seconds());
    fibers.into_iter().for_each(join);
    (begin.elapsed(), processor_seconds() - busy)
}

fn nanoseconds_each(time: Duration, count: u128) -> f64 {
    time.as_nanos() as f64 / count as f64
}

pub(crate) fn yields(tasks: usize, iters: usize) -> Measured {
    let (time, busy) = together(tasks, move || (0..iters).for_each(|_| fiber::yield_now()));
    let each = nanoseconds_each(time, tasks as u128 * iters as u128);
    Measured::new("yield", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy)
}

pub(crate) fn mutex(tasks: usize, iters: usize) -> Measured {
    let shared = Arc::new(Mutex::new(0_usize));
    let counted = Arc::clone(&shared);
    let (time, busy) = together(tasks, move || {
        for _ in 0..iters {
            *counted.lock().expect("nobody panics") += 1;
        }
    });
    let count = tasks as u128 * iters as u128;
    assert_eq!(*shared.lock().expect("nobody panics") as u128, count, "the lock excludes");
    let each = nanoseconds_each(time, count);
    Measured::new("mutex", each, "ns").with("tasks", tasks).with("iters", iters).and("cpu_s", busy)
}

pub(crate) fn spawn(n: usize, batch: usize) -> Measured {
    let batch = batch.clamp(1, n.max(1));
    let mut fibers = Vec::with_capacity(batch);
    let mut run = |count: usize| {
        fibers.extend((0..count).map(|number| fiber::spawn(move || black_box(number))));
        fibers.drain(..).for_each(|fiber| _ = join(fiber));
    };
    // The first ones make stacks.
    run(batch);
    let (begin, busy) = (Instant::now(), processor_seconds());
    let mut left = n;
    while left > 0 {
        let count = left.min(batch);
        run(count);
        left -= count;
    }
    let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
    Measured::new("spawn", nanoseconds_each(time, n as u128), "ns").with("n", n).with("batch", batch).and("cpu_s", busy)
}

pub(crate) fn ping_pong(rounds: usize) -> Measured {
    let (to_other, from_one) = mpsc::sync_channel::<usize>(1);
    let (to_one, from_other) = mpsc::sync_channel::<usize>(1);
    let other = fiber::spawn(move || (from_one.iter().try_for_each(|ball| to_one.send(ball)), current_worker()));
    let one = fiber::spawn(move || {
        let back_and_forth = |ball| {
            to_other.send(ball).expect("the other is there");
            assert_eq!(from_other.recv(), Ok(ball), "the ball comes back");
        };
        // Until both have started.
        back_and_forth(0);
        let (begin, busy) = (Instant::now(), processor_seconds());
        (0..rounds).for_each(back_and_forth);
        (begin.elapsed(), processor_seconds() - busy, current_worker())
    });
    let (time, busy, here) = join(one);
    let (done, there) = join(other);
    done.expect("it is there until the end");
    // With several workers both cases happen, and they differ by what it takes to wake a thread.
    let apart = u8::from(here != there);
    let measured = Measured::new("pingpong", nanoseconds_each(time, rounds as u128), "ns").with("rounds", rounds);
    measured.and("cpu_s", busy).and("apart", apart)
}
