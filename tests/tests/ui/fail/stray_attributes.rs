use std::sync::Mutex;

#[fiber::allow_blocking(reason = "nothing checks this function")]
fn exempt(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

#[fiber::allow_blocking(reason = "no function")]
struct Exempt;

#[fiber::checkpoint]
fn interrupted() {
    loop {}
}

#[fiber::no_checkpoint]
fn uninterrupted() {
    loop {}
}

fn main() {}
