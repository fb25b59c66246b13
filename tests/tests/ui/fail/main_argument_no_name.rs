#[fiber::main("64k",, name = "")]
fn main() {}
