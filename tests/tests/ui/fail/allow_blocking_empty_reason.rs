use std::sync::Mutex;

#[fiber::task]
fn count(state: &Mutex<u32>) {
    #[fiber::allow_blocking(reason = "")]
    let mut first = state.lock().unwrap();
    *first += 1;
    drop(first);
    #[fiber::allow_blocking(reason = "  ")]
    state.lock().unwrap();
}

fn main() {}
