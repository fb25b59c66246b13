#[fiber::task(checkpoints = "no")]
fn fetch() {}

fn main() {}
