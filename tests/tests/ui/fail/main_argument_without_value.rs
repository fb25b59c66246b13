#[fiber::main(workers)]
fn main() {}
