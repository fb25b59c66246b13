#[fiber::task(timeslice = 1)]
fn fetch() {}

#[fiber::task(timeslice = "0ms")]
fn store() {}

fn main() {}
