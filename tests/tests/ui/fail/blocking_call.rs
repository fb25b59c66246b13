use std::fs::{self, File};
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[fiber::task]
fn in_a_task(path: String) -> std::io::Result<String> {
    thread::sleep(Duration::from_millis(1));
    fs::read_to_string(path)
}

#[fiber::check]
fn in_a_helper(state: Arc<Mutex<u32>>) -> u32 {
    *state.lock().unwrap()
}

struct Log(Mutex<File>);

#[fiber::check]
impl Log {
    fn last(&self) -> u8 {
        let mut byte = [0];
        let mut file = self.0.try_lock().unwrap();
        file.read_exact(&mut byte).unwrap();
        byte[0]
    }
}

#[fiber::check]
mod helpers {
    use std::thread::park as rest;

    pub fn rested() {
        rest();
    }
}

#[fiber::main]
fn main() {
    helpers::rested();
    fiber::spawn(|| thread::sleep(Duration::from_millis(1))).join().unwrap();
    println!("{}", thread::spawn(|| 3).join().unwrap());
}
