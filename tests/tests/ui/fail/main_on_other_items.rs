#[fiber::main]
mod program {
    pub fn main() {}
}

#[fiber::main]
struct Program;

fn main() {
    program::main();
    let _ = Program;
}
