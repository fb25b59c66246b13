#[fiber::main]
const fn main() {}
