#[fiber::task(allow(std::fs::read), allow(std::fs::write))]
fn fetch() {}

fn main() {}
