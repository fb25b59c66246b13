#[fiber::task(workers = 4)]
fn fetch() {}

fn main() {}
