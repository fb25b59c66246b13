//! Spawning fibers that do nothing, and joining them.

mod common;

use common::bare::{BareStack, Stacks};
use common::{Run, busy_each, machine, time_each};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use fiber::{JoinHandle, LocalJoinHandle};
use std::hint::black_box;

/// On one worker everything happens on one thread, whose processor time is what counts; on two it is time that passes.
fn each(workers: usize, count: usize, work: impl FnOnce()) -> f64 {
    if workers == 1 { busy_each(count, work) } else { time_each(count, work) }
}

fn stealable(workers: usize, batch: usize, batches: usize) -> f64 {
    let mut children: Vec<JoinHandle<usize>> = Vec::with_capacity(batch);
    let mut sum = 0;
    let each = each(workers, batch * batches, || {
        for _ in 0..batches {
            children.extend((0..batch).map(|number| fiber::spawn(move || number)));
            sum += children.drain(..).map(|child| child.join().unwrap()).sum::<usize>();
        }
    });
    assert_eq!(sum, batches * (batch * (batch - 1) / 2));
    each
}

fn local(workers: usize, batch: usize, batches: usize) -> f64 {
    let mut children: Vec<LocalJoinHandle<usize>> = Vec::with_capacity(batch);
    let mut sum = 0;
    let each = each(workers, batch * batches, || {
        for _ in 0..batches {
            children.extend((0..batch).map(|number| fiber::spawn_local(move || number)));
            sum += children.drain(..).map(|child| child.join().unwrap()).sum::<usize>();
        }
    });
    assert_eq!(sum, batches * (batch * (batch - 1) / 2));
    each
}

/// Creates a coroutine, runs it and drops it, on one stack after the other.
fn bare(stacks: &mut Vec<BareStack>, times: usize) -> f64 {
    let mut sum = 0;
    let each = busy_each(times, || {
        for number in 0..times {
            let stack = stacks.pop().expect("there is a stack");
            let mut coroutine = Coroutine::with_stack(stack, move |_: &Yielder<(), ()>, ()| black_box(number));
            if let CoroutineResult::Return(number) = coroutine.resume(()) {
                sum += number;
            }
            stacks.push(coroutine.into_stack());
        }
    });
    assert_eq!(sum, times * (times - 1) / 2);
    each
}

fn main() {
    let run = Run::start("spawn and join of a fiber that does nothing");
    let spawns = run.pick(400_000, 2000);
    let mapping = Stacks::map(1);
    let mut stacks = vec![mapping.get(0)];
    let mut compare = |workers: usize| {
        let runtime = common::runtime(workers);
        for batch in [1, 1000] {
            run.compare(
                &format!("spawn and join, workers: {workers}, batches of {batch}"),
                "ns",
                15,
                &mut [
                    ("fiber::spawn", &mut || runtime.run(|| stealable(workers, batch, spawns / batch))),
                    ("fiber::spawn_local", &mut || runtime.run(|| local(workers, batch, spawns / batch))),
                    ("limit: create, run, drop on a reused stack", &mut || bare(&mut stacks, spawns)),
                ],
            );
        }
    };
    machine::on_one(|| compare(1));
    compare(2);
    let threads = run.pick(1000, 10);
    run.compare(
        "spawn and join, threads",
        "ns",
        5,
        &mut [("std::thread::spawn", &mut || {
            time_each(threads, || (0..threads).for_each(|_| std::thread::spawn(|| ()).join().unwrap()))
        })],
    );
}
