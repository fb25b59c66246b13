#[fiber::test]
#[test]
fn adds() {}

fn main() {}
