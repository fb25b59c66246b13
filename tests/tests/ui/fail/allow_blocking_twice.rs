use std::sync::Mutex;

#[fiber::task]
fn count(state: &Mutex<u32>) -> u32 {
    #[fiber::allow_blocking(reason = "held for a few instructions")]
    #[fiber::allow_blocking(reason = "likewise")]
    let first = *state.lock().unwrap();
    #[fiber::allow_blocking(reason = "all of it is short")]
    {
        #[fiber::allow_blocking(reason = "so is this")]
        let second = *state.lock().unwrap();
        first + second
    }
}

fn main() {}
