use std::rc::Rc;

#[fiber::task]
fn make(item: u8) -> Rc<u8> {
    Rc::new(item)
}

#[fiber::main]
fn main() {
    make::spawn(1);
}
