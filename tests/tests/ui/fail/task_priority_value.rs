#[fiber::task(priority = "urgent")]
fn fetch() {}

fn main() {}
