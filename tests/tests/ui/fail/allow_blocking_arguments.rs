use std::sync::Mutex;

#[fiber::check]
fn count(state: &Mutex<u32>) {
    #[fiber::allow_blocking("it is short")]
    let first = state.lock();
    drop(first);
    #[fiber::allow_blocking(because = "it is short")]
    let second = state.lock();
    drop(second);
    #[fiber::allow_blocking(reason = "it is short", until = "2030")]
    let third = state.lock();
    drop(third);
    #[fiber::allow_blocking = "it is short"]
    let fourth = state.lock();
    drop(fourth);
    #[fiber::allow_blocking(reason = SHORT)]
    let fifth = state.lock();
    drop(fifth);
}

const SHORT: &str = "it is short";

fn main() {}
