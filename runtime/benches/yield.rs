//! Yielding, beside the bare switch and a minimal run loop.
//!
//! Instructions, which repeat exactly: a yield of a single fiber takes 125 in all, 130 with the feature `corosensei-switch` (callgrind, x86-64,
//! rustc 1.95; the benchmark `switch` with `--row 0`, which yields three million times, less what it takes without them). What makes the two
//! engines differ in time are predictions, which callgrind does not count.

mod common;

use common::{Run, bare, busy_each, machine};
use std::cell::Cell;
use std::rc::Rc;

/// Fibers of one worker that all yield `times` times; nanoseconds for one yield, once all of them have started.
fn yield_among(fibers: usize, times: usize) -> f64 {
    let (started, go, yields) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let others: Vec<_> = (1..fibers)
        .map(|_| {
            let (started, go, yields) = (started.clone(), go.clone(), yields.clone());
            fiber::spawn_local(move || {
                started.set(started.get() + 1);
                while !go.get() {
                    fiber::yield_now();
                }
                for _ in 0..times {
                    fiber::yield_now();
                }
                yields.set(yields.get() + times);
            })
        })
        .collect();
    while started.get() < fibers {
        fiber::yield_now();
    }
    go.set(true);
    let each = busy_each(fibers * times, || {
        for _ in 0..times {
            fiber::yield_now();
        }
    });
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(yields.get(), (fibers - 1) * times);
    each
}

fn main() {
    let run = Run::start("yield_now, through the scheduler, on one worker");
    machine::on_one(|| {
        let runtime = common::runtime(1);
        for fibers in [1, 1000, 10_000, 100_000] {
            if run.is_short() && fibers > 1000 {
                continue;
            }
            let times = (run.pick(4_000_000, 10_000) / fibers).max(1);
            // Mapping as many stacks takes longer than switching between them: the limits keep theirs.
            let mut switch = bare::Switch::new(fibers);
            run.compare(
                &format!("yield, fibers: {fibers}"),
                "ns",
                9,
                &mut [
                    ("fiber::yield_now", &mut || runtime.run(|| yield_among(fibers, times))),
                    ("limit: bare switch, inlined", &mut || busy_each(fibers * times, || switch.run(times))),
                    ("limit: minimal run loop, out of line", &mut || {
                        let mut bare = bare::Loop::new(fibers, move |_| (0..times).for_each(|_| bare::yield_now()));
                        let mut resumed = 0;
                        let each = busy_each(fibers * times, || resumed = bare.run());
                        assert_eq!(resumed, fibers * (times + 1));
                        each
                    }),
                ],
            );
        }
    });
}
