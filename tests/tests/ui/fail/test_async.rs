#[fiber::test]
async fn waits() {}

fn main() {}
