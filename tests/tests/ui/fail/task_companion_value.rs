#[fiber::task(companion = "two words")]
fn fetch() {}

#[fiber::task(companion = true)]
fn store() {}

#[fiber::task(companion = "fn")]
fn send() {}

fn main() {}
