//! Coroutines beside corosensei's own: a resumption with its suspension, and making, running and dropping one.

mod common;

use common::bare::Stacks;
use common::{Run, busy_each, machine};
use corosensei::{Coroutine as Bare, CoroutineResult};
use fiber::coroutine::{Coroutine, CoroutineState};
use std::hint::black_box;

/// Nanoseconds for a resumption and the suspension that ends it.
fn exchange(times: usize) -> f64 {
    let mut coroutine = Coroutine::<usize, usize, ()>::new(|yielder, mut value| {
        loop {
            value = yielder.suspend(value + 1);
        }
    });
    let mut value = 0;
    let each = busy_each(times, || {
        for _ in 0..times {
            let CoroutineState::Yielded(next) = coroutine.resume(black_box(value)) else { unreachable!() };
            value = next;
        }
    });
    assert_eq!(value, times);
    each
}

fn exchange_bare(times: usize) -> f64 {
    let stacks = Stacks::map(1);
    let mut coroutine = Bare::<usize, usize, (), _>::with_stack(stacks.get(0), |yielder, mut value| {
        loop {
            value = yielder.suspend(value + 1);
        }
    });
    let mut value = 0;
    let each = busy_each(times, || {
        for _ in 0..times {
            let CoroutineResult::Yield(next) = coroutine.resume(black_box(value)) else { unreachable!() };
            value = next;
        }
    });
    assert_eq!(value, times);
    each
}

/// Nanoseconds for a coroutine that is made, runs to its end at once, and is dropped.
fn life(times: usize) -> f64 {
    let mut ended = 0;
    let each = busy_each(times, || {
        for n in 0..times {
            let state = Coroutine::<usize, (), usize>::new(|_, value| value).resume(black_box(n));
            ended += usize::from(state == CoroutineState::Complete(n));
        }
    });
    assert_eq!(ended, times);
    each
}

fn life_bare(times: usize) -> f64 {
    let stacks = Stacks::map(1);
    let mut ended = 0;
    let each = busy_each(times, || {
        for n in 0..times {
            let mut coroutine = Bare::<usize, (), usize, _>::with_stack(stacks.get(0), |_, value| value);
            ended += usize::from(coroutine.resume(black_box(n)).as_return() == Some(n));
        }
    });
    assert_eq!(ended, times);
    each
}

fn main() {
    let run = Run::start("coroutines, on a thread and on a fiber");
    machine::on_one(|| {
        let runtime = common::runtime(1);
        let times = run.pick(5_000_000, 1000);
        run.compare(
            "resume and suspend",
            "ns",
            9,
            &mut [
                ("fiber::coroutine, on a thread", &mut || exchange(times)),
                ("fiber::coroutine, on a fiber", &mut || runtime.run(|| exchange(times))),
                ("limit: corosensei", &mut || exchange_bare(times)),
            ],
        );
        let times = run.pick(1_000_000, 1000);
        run.compare(
            "make, run and drop",
            "ns",
            9,
            &mut [
                ("fiber::coroutine, on a thread", &mut || life(times)),
                ("fiber::coroutine, on a fiber", &mut || runtime.run(|| life(times))),
                ("limit: corosensei, on a stack that is there", &mut || life_bare(times)),
            ],
        );
    });
}
