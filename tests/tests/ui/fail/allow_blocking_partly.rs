// An exemption in front of an assignment is one for all of it.
use std::sync::Mutex;

#[fiber::task]
fn count(total: &Mutex<u32>, more: &Mutex<u32>) -> u32 {
    let sum;
    #[fiber::allow_blocking(reason = "held for a few instructions")]
    sum = *total.lock().unwrap();
    #[fiber::allow_blocking(reason = "held for a few instructions")]
    *total.lock().unwrap() += *more.lock().unwrap();
    sum + *total.lock().unwrap()
}

fn main() {}
