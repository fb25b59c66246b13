#[fiber::main]
extern "C" fn main() {}
