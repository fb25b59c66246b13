#[fiber::main]
unsafe fn main() {}
