#[fiber::main]
fn main() {
    if std::env::args().count() > 1 {
        return 3;
    }
    "text"
}
