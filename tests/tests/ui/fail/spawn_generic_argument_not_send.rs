use std::cell::Cell;

#[fiber::task]
fn show<T: Clone>(value: T) {
    drop(value.clone());
}

#[fiber::main]
fn main() {
    show::spawn(String::new());
    show::spawn(&Cell::new(1));
}
