use std::cell::Ref;

#[fiber::task]
fn show(value: Ref<u8>) {
    println!("{value}");
}

fn main() {}
