#[fiber::task(unsafe(migrate))]
fn fetch() {}

fn main() {
    // SAFETY: nothing is called.
    let _ = unsafe { fiber::Builder::new().migratable(true) };
}
