//! `spawn_scoped`: arguments and results that borrow from outside the scope.

#![allow(clippy::needless_lifetimes)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

#[fiber::task]
fn add(counter: &AtomicU32, amounts: &[u32]) -> u32 {
    counter.fetch_add(amounts.iter().sum(), Ordering::Relaxed)
}

#[fiber::task]
fn longest<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.len() > second.len() {
        first
    } else {
        second
    }
}

#[fiber::task]
fn fill<T: Copy>(slice: &mut [T], value: T) -> usize {
    slice.fill(value);
    slice.len()
}

#[fiber::task]
fn evens<'a>(numbers: &'a [u32]) -> impl Iterator<Item = &'a u32> + use<'a> {
    numbers.iter().filter(|number| *number % 2 == 0)
}

#[fiber::task]
fn words(text: &str, sink: impl Fn(&str)) -> usize {
    text.split(' ').inspect(|word| sink(word)).count()
}

#[fiber::task]
fn lifetimes_called_as_ours<'scope, 'env, 'call>(a: &'scope str, b: &'env str, c: &'call str) -> usize {
    a.len() + b.len() + c.len()
}

#[fiber::task]
fn takes_a_cell(cell: &mut Cell<u8>) {
    cell.set(cell.get() + 1);
}

#[fiber::main]
fn main() {
    let counter = AtomicU32::new(0);
    let amounts = vec![1, 2, 3];
    let text = String::from("a few words");
    let mut slice = [0; 4];
    let mut cell = Cell::new(1);
    let (longest, filled, evens, words) = fiber::scope(|scope| {
        for _ in 0..3 {
            add::spawn_scoped(scope, &counter, &amounts);
        }
        takes_a_cell::spawn_scoped(scope, &mut cell);
        let ours = lifetimes_called_as_ours::spawn_scoped(scope, &text, &text, &text);
        assert_eq!(ours.join().unwrap(), 3 * text.len());
        (
            longest::spawn_scoped(scope, &text, "short").join().unwrap(),
            fill::spawn_scoped(scope, &mut slice, 7).join().unwrap(),
            evens::spawn_scoped(scope, &amounts).join().unwrap().count(),
            words::spawn_scoped(scope, &text, |word| assert!(text.contains(word))).join().unwrap(),
        )
    });
    assert_eq!((longest, filled, evens, words), (&*text, 4, 1, 3));
    assert_eq!((counter.into_inner(), slice, cell.get()), (18, [7; 4], 2));
    assert_eq!(lifetimes_called_as_ours::spawn("a", "b", "c").join().unwrap(), 3);
}
