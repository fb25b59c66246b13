use std::sync::Mutex;

#[fiber::task(allow(std::sync::Mutex::lock))]
fn nothing(x: u32) -> u32 {
    x + 1
}

#[fiber::task(allow(std::sync::Mutex::lock, std::sync::RwLock::read))]
fn one_of_two(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

#[fiber::check(allow(std::fs::read))]
impl Counter {
    fn count(&self) -> u32 {
        self.0
    }
}

struct Counter(u32);

fn main() {}
