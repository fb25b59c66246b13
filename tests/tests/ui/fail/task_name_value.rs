#[fiber::task(name = fetch)]
fn fetch() {}

#[fiber::task(name = "")]
fn store() {}

fn main() {}
