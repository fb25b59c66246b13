#[fiber::test(threads = 2)]
fn adds() {}

fn main() {}
