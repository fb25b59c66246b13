#[fiber::task(stack_size = "64kb")]
fn fetch() {}

#[fiber::task(stack_size = 4096)]
fn store() {}

fn main() {}
