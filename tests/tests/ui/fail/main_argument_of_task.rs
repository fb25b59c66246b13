#[fiber::main(priority = "high")]
fn main() {}
