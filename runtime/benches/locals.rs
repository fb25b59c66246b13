//! Access to fiber-locals beside that to thread-locals, and what inheriting one costs a spawn.

mod common;

use common::{Run, busy_each, machine};
use std::cell::Cell;
use std::hint::black_box;

fiber::fiber_local! {
    static FIBER: Cell<usize> = const { Cell::new(0) };
    inherit static INHERITED: Cell<usize> = const { Cell::new(0) };
}

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(0) };
    static LAZY: Cell<usize> = made();
}

fn made() -> Cell<usize> {
    Cell::new(black_box(0))
}

/// Nanoseconds for each call of `add`, which adds one to a variable; `read` gives its value in the end.
fn count(times: usize, add: impl Fn(), read: impl Fn() -> usize) -> f64 {
    let before = read();
    let each = busy_each(times, || {
        for _ in 0..times {
            black_box(&add)();
        }
    });
    assert_eq!(read() - before, times);
    each
}

/// Nanoseconds for a spawn and its join, among a thousand.
fn spawn(times: usize) -> f64 {
    busy_each(times, || {
        for _ in 0..times / 1000 {
            let fibers: Vec<_> = (0..1000).map(|_| fiber::spawn(|| ())).collect();
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        }
    })
}

fn main() {
    let run = Run::start("fiber-locals, on one worker");
    machine::on_one(|| {
        let runtime = common::runtime(1);
        let times = run.pick(20_000_000, 1000);
        run.compare(
            "access",
            "ns",
            9,
            &mut [
                ("fiber_local! on a fiber", &mut || {
                    runtime.run(|| count(times, || FIBER.with(|v| v.set(v.get() + 1)), || FIBER.get()))
                }),
                ("fiber_local! on a thread", &mut || {
                    count(times, || FIBER.with(|v| v.set(v.get() + 1)), || FIBER.get())
                }),
                ("thread_local!, made when used", &mut || {
                    count(times, || LAZY.with(|v| v.set(v.get() + 1)), || LAZY.get())
                }),
                ("thread_local!, constant", &mut || {
                    count(times, || THREAD.with(|v| v.set(v.get() + 1)), || THREAD.get())
                }),
            ],
        );
        let times = run.pick(1_000_000, 1000);
        run.compare(
            "spawn and join",
            "ns",
            9,
            &mut [
                ("a value to inherit", &mut || {
                    runtime.run(|| {
                        INHERITED.set(1);
                        spawn(times)
                    })
                }),
                ("nothing to inherit", &mut || runtime.run(|| spawn(times))),
            ],
        );
    });
}
