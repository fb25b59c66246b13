use std::rc::Rc;

#[fiber::task]
fn push(list: Rc<Vec<u8>>, item: u8) -> usize {
    list.len() + usize::from(item)
}

#[fiber::main]
fn main() {
    push::spawn(Rc::new(Vec::new()), 1);
}
