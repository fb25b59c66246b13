/// # Safety
///
/// None.
#[fiber::task]
unsafe fn risky() {}

#[fiber::main]
fn main() {
    risky::spawn();
}
