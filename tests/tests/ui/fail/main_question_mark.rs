#[fiber::main]
fn main() {
    std::fs::read("file")?;
}
