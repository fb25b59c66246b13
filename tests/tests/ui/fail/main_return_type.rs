// The return type is no `Termination`.

#[fiber::main]
fn main() -> String {
    String::new()
}
