#[fiber::main]
fn main();
