//! A `main` that never returns.

#[fiber::main]
fn main() -> ! {
    std::process::exit(0)
}
