#[fiber::task(associated = true)]
fn fetch() {}

fn main() {}
