#[fiber::test]
fn adds<T>() {}

fn main() {}
