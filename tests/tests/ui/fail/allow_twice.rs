use std::sync::Mutex;

#[fiber::task(allow(std::sync::Mutex::lock, std::sync::Mutex::lock))]
fn in_one(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

#[fiber::task(allow(std::sync::Mutex::lock), allow(std::thread::sleep))]
fn in_two(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

fn main() {}
