#[fiber::task(allow("std::fs::read"))]
fn fetch() {}

#[fiber::task(allow())]
fn store() {}

#[fiber::task(allow = std::fs::read)]
fn send() {}

fn main() {}
