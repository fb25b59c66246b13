#[fiber::task(migrate)]
fn fetch() {}

#[fiber::task(unsafe(move))]
fn store() {}

fn main() {}
