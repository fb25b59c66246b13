use std::sync::Mutex;

#[fiber::task]
#[fiber::allow_blocking]
fn on_function(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

#[fiber::task]
fn inside(state: &Mutex<u32>) -> u32 {
    #[fiber::allow_blocking]
    let first = *state.lock().unwrap();
    #[fiber::allow_blocking()]
    {
        *state.lock().unwrap() += 1;
    }
    first + #[fiber::allow_blocking] *state.lock().unwrap()
}

fn main() {}
