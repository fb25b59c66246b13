#[fiber::task(prio = "high")]
fn fetch() {}

fn main() {}
