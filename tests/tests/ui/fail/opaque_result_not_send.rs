use std::rc::Rc;

#[fiber::task]
fn numbers() -> impl Iterator<Item = u8> {
    let shared = Rc::new(1);
    std::iter::repeat_with(move || *shared)
}

fn main() {}
