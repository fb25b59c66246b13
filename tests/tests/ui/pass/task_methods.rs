//! Associated functions: `spawn_name` and `spawn_name_scoped` beside them.

#![allow(clippy::boxed_local, clippy::needless_lifetimes)]

use std::fmt::Debug;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone)]
pub struct Server<'a, T> {
    pub name: &'a str,
    pub items: Vec<T>,
}

impl<'a, T: Clone + Debug> Server<'a, T> {
    #[fiber::task]
    pub fn new(name: &'a str, items: Vec<T>) -> Self {
        Server { name, items }
    }

    #[fiber::task(priority = "low")]
    pub fn by_value(mut self, item: T) -> (usize, &'a str) {
        self.items.push(item);
        (self.items.len(), self.name)
    }

    #[fiber::task]
    pub fn by_arc(self: Arc<Self>) -> usize {
        self.items.len()
    }

    #[fiber::task]
    pub fn by_box(self: Box<Self>) -> usize {
        self.items.len()
    }

    #[fiber::task]
    pub fn by_reference(&self, scope: usize) -> Option<&T> {
        self.items.get(scope)
    }

    #[fiber::task]
    pub fn by_mutable_reference<'b>(&'b mut self, item: T) -> &'b mut T {
        self.items.push(item);
        self.items.last_mut().unwrap()
    }

    #[fiber::task]
    pub fn by_pin(self: Pin<&mut Self>, _other: &str) -> usize {
        self.items.len()
    }

    #[fiber::task]
    pub fn out_of_a_pin(self: Pin<&mut Self>, _other: &str) -> Option<&T> {
        self.into_ref().get_ref().items.first()
    }

    #[fiber::task]
    fn by_static_reference(&'static self) -> usize {
        self.items.len()
    }

    #[fiber::task]
    fn not_send(self: Rc<Self>) -> usize {
        self.items.len()
    }

    #[fiber::task(companion = "other_name")]
    fn renamed(self) {}

    #[fiber::task(companion = false)]
    fn bare(self) {}

    #[fiber::task(associated)]
    fn says_so(number: u8) -> u8 {
        number
    }

    #[fiber::task]
    fn names_self_inside(number: u8) -> u8 {
        Self::says_so(number)
    }

    /// # Safety
    ///
    /// None.
    #[fiber::task]
    unsafe fn r#unsafe(self) {}
}

impl<T: Send + 'static> Server<'_, T> {
    #[fiber::task]
    fn opaque(self, count: usize) -> impl Iterator<Item = T> {
        self.items.into_iter().take(count)
    }
}

#[fiber::main]
fn main() {
    let items = vec![1, 2];
    let made = Server::spawn_new("leaf", items).join().unwrap();
    assert_eq!(made.clone().spawn_by_value(3).join().unwrap(), (3, "leaf"));
    assert_eq!(Arc::new(made.clone()).spawn_by_arc().join().unwrap(), 2);
    assert_eq!(Box::new(made.clone()).spawn_by_box().join().unwrap(), 2);
    assert_eq!(Rc::new(made.clone()).not_send(), 2);
    made.clone().spawn_other_name().join().unwrap();
    made.clone().bare();
    assert_eq!(made.clone().spawn_opaque(1).join().unwrap().count(), 1);
    assert_eq!(Server::<u8>::spawn_says_so(3).join().unwrap(), 3);
    assert_eq!(Server::<u8>::spawn_names_self_inside(3).join().unwrap(), 3);
    // SAFETY: it has no conditions.
    unsafe { made.clone().spawn_unsafe() }.join().unwrap();
    let leaked: &'static Server<'static, i32> = Box::leak(Box::new(made.clone()));
    assert_eq!(leaked.spawn_by_static_reference().join().unwrap(), 2);

    let local_name = String::from("local");
    let mut local = Server { name: &local_name, items: vec![1, 2, 3] };
    fiber::scope(|scope| {
        assert_eq!(local.clone().spawn_by_value_scoped(scope, 4).join().unwrap(), (4, &*local_name));
        assert_eq!(local.spawn_by_reference_scoped(scope, 1).join().unwrap(), Some(&2));
        assert_eq!(local.clone().spawn_opaque_scoped(scope, 2).join().unwrap().count(), 2);
    });
    fiber::scope(|scope| *local.spawn_by_mutable_reference_scoped(scope, 4).join().unwrap() += 1);
    let pinned = Pin::new(&mut local);
    fiber::scope(|scope| assert_eq!(pinned.spawn_by_pin_scoped(scope, &local_name).join().unwrap(), 4));
    let pinned = Pin::new(&mut local);
    let first = fiber::scope(|scope| pinned.spawn_out_of_a_pin_scoped(scope, &local_name).join().unwrap());
    assert_eq!(first, Some(&1));
    assert_eq!(local.items, [1, 2, 3, 5]);

    let task = Server::<u8>::BY_VALUE_TASK;
    assert_eq!(task.name(), "by_value");
    assert_eq!(task.attributes().priority(), Some(fiber::Priority::Low));
    assert_eq!(task.done(), 2);
    assert_eq!(Server::<u8>::BARE_TASK.name(), "bare");
    assert_eq!(task.builder().spawn(|| 1).join().unwrap(), 1);
}
