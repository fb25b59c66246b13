#![forbid(unsafe_code)]

#[fiber::task(unsafe(migrate))]
fn fetch() {}

fn main() {}
