use std::sync::{Condvar, Mutex, MutexGuard};

#[fiber::task(allow(std::sync::Mutex::locks))]
fn misspelled(state: &Mutex<u32>) -> bool {
    state.is_poisoned()
}

#[fiber::task(allow(Mutex::try_lock, std::sync::Arc::clone))]
fn harmless(state: &Mutex<u32>) -> bool {
    state.try_lock().is_ok()
}

#[fiber::check(allow(Mutex::lock))]
fn short(state: &Mutex<u32>) -> bool {
    state.is_poisoned()
}

#[fiber::check(allow(wait))]
fn shorter(changed: &Condvar, guard: MutexGuard<'_, u32>) -> u32 {
    *guard + u32::from(std::ptr::eq(changed, &Condvar::new()))
}

fn main() {}
