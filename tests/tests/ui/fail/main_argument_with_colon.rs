#[fiber::main(workers: 4, name = )]
fn main() {}
