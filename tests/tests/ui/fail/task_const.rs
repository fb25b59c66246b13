#[fiber::task]
const fn double(number: u32) -> u32 {
    number * 2
}

#[fiber::main]
fn main() {
    double::spawn(double(2));
}
