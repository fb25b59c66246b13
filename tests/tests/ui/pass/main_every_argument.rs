//! All arguments of `main`, with a trailing comma.

#[fiber::main(
    workers = 1,
    stack_size = 65536,
    numa = "any",
    driver = "auto",
    blocking_threads = 2,
    name = "every argument",
    crate = "fiber"
)]
fn main() {}
