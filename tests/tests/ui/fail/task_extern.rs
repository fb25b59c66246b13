#[fiber::task]
pub extern "C" fn callback(number: u32) -> u32 {
    number
}

#[fiber::main]
fn main() {
    callback::spawn(1);
}
