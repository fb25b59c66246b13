//! The promise in an attribute, under another name of the crate too, and in code.

#![deny(clippy::undocumented_unsafe_blocks)]

mod vendored {
    pub use ::fiber as renamed;
}

#[vendored::renamed::task(crate = "crate::vendored::renamed", stack_size = "64k", unsafe(migrate))]
fn renamed() -> usize {
    fiber::yield_now();
    1
}

#[fiber::task(unsafe(migrate))]
fn plain() -> usize {
    fiber::yield_now();
    2
}

#[fiber::main(workers = 2)]
fn main() {
    assert!(plain::TASK.attributes().migrate() && renamed::TASK.attributes().migrate());
    // SAFETY: nothing in the closure belongs to a thread.
    let builder = unsafe { fiber::Builder::new().migratable(true) };
    let numbers = [renamed::spawn(), plain::spawn(), builder.spawn(|| 3)].map(|fiber| fiber.join().unwrap());
    assert_eq!(numbers, [1, 2, 3]);
}
