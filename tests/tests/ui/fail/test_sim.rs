#[fiber::test(sim)]
fn replays() {}

fn main() {}
