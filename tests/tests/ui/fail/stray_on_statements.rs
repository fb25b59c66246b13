use std::sync::Mutex;

fn unchecked(state: &Mutex<u32>) {
    #[fiber::allow_blocking(reason = "nothing checks this function")]
    let mut guard = state.lock().unwrap();
    *guard += 1;

    #[fiber::checkpoint]
    for x in 0..3 {
        *guard += x;
    }
}

fn main() {}
