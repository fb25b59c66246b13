#[fiber::main(blocking_threads = 1.5)]
fn main() {}
