#[fiber::main(workers = "four")]
fn main() {}
