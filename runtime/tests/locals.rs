#![cfg(not(loom))]
//! Variables of fibers: each has its own, made when first used, dropped when it ends; children inherit what is marked.

mod common;

use common::{Count, CountDrop, runtime};
use fiber::sync::mpsc::channel;
use fiber::{Builder, fiber_local};
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

static CLONES: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Traced(u32);

impl Clone for Traced {
    fn clone(&self) -> Traced {
        CLONES.fetch_add(1, SeqCst);
        Traced(self.0 + 1)
    }
}

fiber_local! {
    static NUMBER: Cell<u32> = Cell::new(1);
    /// Documented.
    pub(crate) static NAME: RefCell<String> = RefCell::new(String::from("nobody"));
    static GUARD: OnceCell<CountDrop> = OnceCell::new();
    static LATER: OnceCell<OnEnd> = OnceCell::new();
    static SUM: u32 = NUMBER.get() + 1
}

fiber_local! {
    #[inherit]
    /// Documented.
    static INHERITED: RefCell<Traced> = RefCell::default();
    static OWN: Cell<u8> = Cell::new(0);
}

/// Uses other variables when it is dropped, waits, and panics.
struct OnEnd(Count);

impl Drop for OnEnd {
    fn drop(&mut self) {
        GUARD.with(|guard| assert!(guard.set(self.0.on_drop()).is_ok(), "a new value"));
        fiber::time::sleep(Duration::from_millis(1));
        std::panic::resume_unwind(Box::new("no harm"));
    }
}

#[test]
fn each_fiber_has_its_own() {
    runtime(2).run(|| {
        NUMBER.set(5);
        NAME.set("parent".to_owned());
        let fibers: Vec<_> = (10..30)
            .map(|n| {
                fiber::spawn(move || {
                    assert_eq!(NUMBER.replace(n), 1);
                    NAME.with_borrow_mut(|name| name.push_str(&n.to_string()));
                    fiber::yield_now();
                    fiber::time::sleep(Duration::from_micros(100));
                    assert_eq!(NAME.replace(String::new()), format!("nobody{n}"));
                    (NUMBER.get(), NUMBER.take(), NUMBER.get())
                })
            })
            .collect();
        for (n, fiber) in (10..).zip(fibers) {
            assert_eq!(fiber.join().unwrap(), (n, n, 0));
        }
        assert_eq!((NUMBER.get(), NAME.take(), SUM.with(|sum| *sum)), (5, "parent".to_owned(), 6));
    });
}

#[test]
fn off_a_fiber_each_thread_has_its_own() {
    NUMBER.set(7);
    assert_eq!(std::thread::spawn(|| NUMBER.get()).join().unwrap(), 1);
    runtime(1).run(|| assert_eq!(NUMBER.get(), 1));
    assert_eq!(NUMBER.get(), 7);
}

#[test]
fn values_are_dropped_on_their_fiber_before_it_is_joined() {
    runtime(1).run(|| {
        let dropped = Count::new();
        for ends in ["by itself", "by a panic", "by cancellation"] {
            let before = dropped.get();
            let fiber = fiber::spawn({
                let dropped = dropped.clone();
                move || {
                    GUARD.with(|guard| assert!(guard.set(dropped.on_drop()).is_ok()));
                    match ends {
                        "by a panic" => std::panic::resume_unwind(Box::new(())),
                        "by cancellation" => {
                            fiber::current().cancel();
                            fiber::park();
                        }
                        _ => {}
                    }
                }
            });
            let _ = fiber.join();
            assert_eq!(dropped.get(), before + 1, "{ends}");
        }
        let fiber = fiber::spawn({
            let dropped = dropped.clone();
            move || LATER.with(|later| assert!(later.set(OnEnd(dropped)).is_ok()))
        });
        fiber.join().unwrap();
        assert_eq!(dropped.get(), 4, "what a destructor made is dropped as well");
    });
}

#[test]
fn a_value_is_there_as_long_as_it_is_used() {
    runtime(1).run(|| {
        let (sender, receiver) = channel();
        let fiber = fiber::spawn(move || {
            NAME.with(|name| {
                NUMBER.set(4);
                let waited = receiver.recv().unwrap();
                NAME.with(|again| assert!(std::ptr::eq(again, name)));
                name.borrow().len() + waited
            })
        });
        fiber::yield_now();
        sender.send(1).unwrap();
        assert_eq!(fiber.join().unwrap(), 7);
    });
}

#[test]
fn children_inherit_what_is_marked() {
    runtime(2).run(|| {
        let inherited = || INHERITED.with_borrow(|traced| traced.0);
        assert_eq!(fiber::spawn(inherited).join().unwrap(), 0, "there was nothing to inherit");
        assert_eq!(CLONES.load(SeqCst), 0);
        INHERITED.set(Traced(10));
        OWN.set(3);
        let grandchild = fiber::spawn(move || (OWN.get(), fiber::spawn(inherited).join().unwrap()));
        assert_eq!(grandchild.join().unwrap(), (0, 12));
        assert_eq!(Builder::new().name("named").spawn(inherited).join().unwrap(), 11);
        assert_eq!(fiber::spawn_local(inherited).join().unwrap(), 11);
        assert_eq!(fiber::scope(|s| s.spawn(inherited).join().unwrap()), 11);
        let other = runtime(1);
        assert_eq!(fiber::runtime::Handle::try_current().unwrap().spawn(inherited).join().unwrap(), 11);
        assert_eq!(other.spawn(inherited).join().unwrap(), 11, "across runtimes");
        let mut set = fiber::JoinSet::new();
        set.spawn(inherited);
        assert_eq!(set.join_all(), [11]);
        assert_eq!((inherited(), CLONES.load(SeqCst)), (10, 8));
    });
}
