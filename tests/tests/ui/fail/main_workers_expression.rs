const WORKERS: usize = 4;

#[fiber::main(workers = WORKERS)]
fn main() {}
