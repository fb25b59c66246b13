#[fiber::test]
fn adds(a: u32) {
    assert_eq!(a, 1);
}

fn main() {}
