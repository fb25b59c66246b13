fn main() {
    let _ = fiber::Builder::new().migratable(true);
}
