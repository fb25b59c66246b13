#[fiber::main(driver = "uring")]
fn main() {}
