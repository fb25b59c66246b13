//! A task whose argument or result is not `Send` compiles; it is called, or spawned on its own worker.

use std::cell::RefCell;
use std::rc::Rc;

#[fiber::task]
fn push(list: Rc<RefCell<Vec<u8>>>, item: u8) -> Rc<RefCell<Vec<u8>>> {
    list.borrow_mut().push(item);
    list
}

#[fiber::task]
fn generic<T>(value: T, pointer: *const u8) -> (T, *const u8) {
    (value, pointer)
}

#[fiber::main]
fn main() {
    let list = push(Rc::default(), 1);
    assert_eq!(*list.borrow(), [1]);
    let shared = Rc::clone(&list);
    let handle = push::builder().spawn_local(move || push(shared, 2));
    assert_eq!(*handle.join().unwrap().borrow(), [1, 2]);
    assert_eq!(push::TASK.done(), 1);
    assert_eq!(*generic(list, std::ptr::null()).0.borrow(), [1, 2]);
}
