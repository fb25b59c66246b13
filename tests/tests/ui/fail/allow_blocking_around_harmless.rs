use fiber::sync::Mutex;
use std::time::Duration;

fn sleep(_: Duration) {}

struct File;

impl File {
    fn open(_: &str) -> File {
        File
    }

    fn read(&mut self, _: &mut [u8]) -> usize {
        0
    }
}

#[fiber::task]
fn inside(state: &Mutex<u32>, bytes: &mut [u8]) -> usize {
    #[fiber::allow_blocking(reason = "a method of fiber")]
    let mut guard = state.lock().unwrap();
    *guard += 1;

    #[fiber::allow_blocking(reason = "a function of one's own")]
    sleep(Duration::ZERO);

    #[fiber::allow_blocking(reason = "a function of a type of one's own")]
    let mut file = File::open("path");

    #[fiber::allow_blocking(reason = "a block with a single call that might block")]
    {
        println!("{}", file.read(bytes));
    }

    #[fiber::allow_blocking(reason = "a path to a method")]
    let read = File::read(&mut file, bytes);
    read
}

#[fiber::task]
#[fiber::allow_blocking(reason = "a whole function")]
fn function(state: &Mutex<u32>) -> u32 {
    *state.lock().unwrap()
}

fn main() {}
