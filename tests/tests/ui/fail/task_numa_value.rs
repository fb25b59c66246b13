#[fiber::task(numa = "near")]
fn fetch() {}

#[fiber::task(numa = -1)]
fn store() {}

fn main() {}
