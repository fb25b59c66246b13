#![cfg(not(loom))]
//! Fiber-locals: one value a fiber, when it is made, inherited and destroyed, and what happens around that.

mod common;

use common::{Count, CountDrop, LONG, OnDrop, here, runtime, until_waiting};
use fiber::coroutine::Generator;
use fiber::runtime::Reason;
use fiber::time::sleep;
use fiber::{AccessError, fiber_local};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::ThreadId;
use std::time::Duration;

const MOMENT: Duration = Duration::from_micros(1);

#[test]
fn each_fiber_has_its_own() {
    fiber_local! {
        static NUMBER: Cell<usize> = const { Cell::new(7) };
        static TEXT: RefCell<String> = RefCell::new("initial".to_owned());
    }
    runtime(2).run(|| {
        let fibers: Vec<_> = (0..20)
            .map(|n| {
                fiber::spawn(move || {
                    assert_eq!(NUMBER.replace(n), 7);
                    fiber::yield_now();
                    TEXT.with_borrow_mut(|text| text.push_str(&n.to_string()));
                    sleep(MOMENT);
                    NUMBER.with(|number| {
                        let before = number.get();
                        // The others run while this one's value is borrowed.
                        fiber::yield_now();
                        assert_eq!(number.get(), before);
                    });
                    (NUMBER.get(), TEXT.take())
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            assert_eq!(fiber.join().unwrap(), (n, format!("initial{n}")));
        }
        assert_eq!(NUMBER.get(), 7);
    });
}

#[test]
fn a_thread_has_its_own_as_well() {
    fiber_local! {
        static NUMBER: Cell<u32> = const { Cell::new(1) };
    }
    NUMBER.set(2);
    runtime(1).run(|| {
        assert_eq!(NUMBER.get(), 1);
        NUMBER.set(3);
        assert_eq!(fiber::blocking(|| NUMBER.replace(4)), 1);
        assert_eq!(NUMBER.get(), 3);
    });
    assert_eq!(NUMBER.get(), 2);
    assert_eq!(std::thread::spawn(|| NUMBER.get()).join().unwrap(), 1);
}

#[test]
fn values_are_made_once_and_only_when_used() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    fiber_local! {
        static VALUE: usize = MADE.fetch_add(1, SeqCst);
    }
    runtime(1).run(|| {
        fiber::spawn(|| ()).join().unwrap();
        assert_eq!(MADE.load(SeqCst), 0);
        assert_eq!(fiber::spawn(|| (VALUE.with(|v| *v), VALUE.with(|v| *v))).join().unwrap(), (0, 0));
        assert_eq!(fiber::spawn(|| VALUE.with(|v| *v)).join().unwrap(), 1);
        assert_eq!(MADE.load(SeqCst), 2);
    });
}

#[test]
fn a_panic_in_the_initial_expression_leaves_nothing() {
    thread_local! {
        static FAILS: Cell<bool> = const { Cell::new(true) };
    }
    fiber_local! {
        static VALUE: u8 = if FAILS.replace(false) { panic!("the first time") } else { 5 };
    }
    runtime(1).run(|| {
        assert!(catch_unwind(|| VALUE.with(|v| *v)).is_err());
        assert_eq!(VALUE.with(|v| *v), 5);
    });
}

#[test]
fn an_initial_expression_may_wait_and_may_use_the_key_itself() {
    fiber_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
        static VALUE: u32 = {
            fiber::yield_now();
            DEPTH.set(DEPTH.get() + 1);
            if DEPTH.get() < 3 { VALUE.with(|value| *value + 10) } else { 0 }
        };
    }
    runtime(1).run(|| {
        let fibers = [fiber::spawn(|| VALUE.with(|v| *v)), fiber::spawn(|| VALUE.with(|v| *v))];
        for fiber in fibers {
            // The innermost was there first, and stays.
            assert_eq!(fiber.join().unwrap(), 0);
        }
    });
}

#[test]
fn they_end_with_the_fiber_on_its_thread_before_its_result() {
    fiber_local! {
        static HELD: RefCell<Vec<CountDrop>> = const { RefCell::new(Vec::new()) };
        static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
    }
    struct Place(Arc<Mutex<Vec<(ThreadId, fiber::FiberId)>>>);
    impl Drop for Place {
        fn drop(&mut self) {
            sleep(MOMENT);
            self.0.lock().unwrap().push((std::thread::current().id(), fiber::current().id()));
        }
    }
    runtime(2).run(|| {
        for cancelled in [false, true] {
            let (drops, places) = (Count::new(), Arc::new(Mutex::new(Vec::new())));
            let (counted, place) = (drops.clone(), Place(places.clone()));
            let child = fiber::spawn(move || {
                HELD.with_borrow_mut(|held| held.extend([counted.on_drop(), counted.on_drop()]));
                PLACE.set(Some(place));
                sleep(if cancelled { LONG } else { MOMENT });
                (std::thread::current().id(), fiber::current().id())
            });
            let id = child.fiber().id();
            if cancelled {
                until_waiting(&here(), &child.fiber(), Reason::Sleep);
                child.cancel();
                // A destructor that waits on a cancelled fiber is unwound out of; the value is gone all the same.
                assert!(child.join().unwrap_err().is_cancelled());
            } else {
                let there = child.join().unwrap();
                assert_eq!(there.1, id);
                assert_eq!(*places.lock().unwrap(), [there]);
            }
            assert_eq!(drops.get(), 2);
            assert_eq!(Arc::strong_count(&places), 1);
        }
    });
}

thread_local! {
    static ORDER: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Logs(&'static str);

impl Drop for Logs {
    fn drop(&mut self) {
        ORDER.with_borrow_mut(|order| order.push(self.0));
    }
}

#[test]
fn the_newest_goes_first() {
    fiber_local! {
        static ONE: Logs = Logs("one");
        static TWO: Logs = Logs("two");
        static THREE: Logs = Logs("three");
    }
    runtime(1).run(|| {
        let user = fiber::spawn_local(|| {
            TWO.with(|_| ());
            ONE.with(|_| ());
            THREE.with(|_| ());
        });
        user.join().unwrap();
        assert_eq!(ORDER.take(), ["three", "one", "two"]);
    });
}

#[test]
fn destructors_see_what_is_left() {
    type Seen = RefCell<Option<(Result<u8, AccessError>, Result<u8, AccessError>, Result<u8, AccessError>)>>;
    thread_local! {
        static SEEN: Seen = const { RefCell::new(None) };
    }
    fiber_local! {
        static OLDER: u8 = 1;
        static LOOKS: Looks = Looks;
        static NEWER: Cell<u8> = const { Cell::new(2) };
        static LATE: Logs = Logs("made by a destructor");
        static UNUSED: u8 = 3;
    }
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            LATE.with(|_| ());
            let seen = (OLDER.try_with(|v| *v), NEWER.try_with(Cell::get), UNUSED.try_with(|v| *v));
            assert!(catch_unwind(|| NEWER.set(9)).is_err());
            assert!(LOOKS.try_with(|_| ()).is_err());
            SEEN.set(Some(seen));
        }
    }
    runtime(1).run(|| {
        let user = fiber::spawn_local(|| {
            OLDER.with(|_| ());
            LOOKS.with(|_| ());
            NEWER.with(|_| ());
        });
        user.join().unwrap();
        let (older, newer, unused) = SEEN.take().unwrap();
        assert_eq!((older, unused), (Ok(1), Ok(3)));
        assert_eq!(newer.unwrap_err().to_string(), "already destroyed");
        assert_eq!(ORDER.take(), ["made by a destructor"]);
    });
}

#[test]
fn a_result_that_nobody_takes_is_dropped_after_them() {
    fiber_local! {
        static VALUE: u8 = 1;
    }
    runtime(1).run(|| {
        let gone = Rc::new(Cell::new(None));
        let seen = Rc::clone(&gone);
        drop(fiber::spawn_local(move || {
            VALUE.with(|_| ());
            OnDrop(move || seen.set(Some(VALUE.try_with(|_| ()).is_err())))
        }));
        while gone.get().is_none() {
            fiber::yield_now();
        }
        assert_eq!(gone.get(), Some(true));
    });
}

#[test]
fn a_destructor_that_panics_harms_nobody() {
    fiber_local! {
        static OLDER: Logs = Logs("older");
        static FAILS: OnDrop<fn()> = OnDrop(|| panic!("in a destructor"));
    }
    runtime(1).run(|| {
        let user = fiber::spawn_local(|| {
            OLDER.with(|_| ());
            FAILS.with(|_| ());
            5
        });
        assert_eq!(user.join().unwrap(), 5);
        assert_eq!(ORDER.take(), ["older"]);
    });
}

#[test]
fn children_inherit_what_is_to_be_inherited() {
    fiber_local! {
        inherit static REQUEST: Cell<u32> = const { Cell::new(0) };
        /// An attribute, and another visibility.
        pub(crate) inherit static TAGS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
        static OWN: Cell<u32> = const { Cell::new(0) };
    }
    let runtime = runtime(2);
    runtime.run(|| {
        assert_eq!(fiber::spawn(|| REQUEST.get()).join().unwrap(), 0);
        REQUEST.set(17);
        OWN.set(5);
        let both = || (REQUEST.get(), OWN.get(), TAGS.with_borrow(Vec::len));
        assert_eq!(fiber::spawn(both).join().unwrap(), (17, 0, 0));
        TAGS.with_borrow_mut(|tags| tags.push("first"));
        assert_eq!(fiber::spawn_local(both).join().unwrap(), (17, 0, 1));
        assert_eq!(fiber::Builder::new().spawn(both).join().unwrap(), (17, 0, 1));
        assert_eq!(fiber::scope(|s| s.spawn(both).join().unwrap()), (17, 0, 1));
        assert_eq!(fiber::runtime::Handle::try_current().unwrap().spawn(both).join().unwrap(), (17, 0, 1));
        // As they are at the spawn; later changes are each one's own. Grandchildren inherit from children.
        let child = fiber::spawn(move || {
            sleep(MOMENT);
            let before = REQUEST.replace(18);
            (before, fiber::spawn(both).join().unwrap())
        });
        REQUEST.set(99);
        assert_eq!(child.join().unwrap(), (17, (18, 0, 1)));
        assert_eq!(REQUEST.get(), 99);
    });
    // A thread has nothing to leave.
    REQUEST.set(1);
    assert_eq!(runtime.spawn(|| REQUEST.get()).join().unwrap(), 0);
}

#[test]
fn inherited_values_of_a_fiber_that_never_starts_are_dropped() {
    fiber_local! {
        inherit static SHARED: RefCell<Option<Arc<()>>> = const { RefCell::new(None) };
    }
    runtime(1).run(|| {
        let shared = Arc::new(());
        SHARED.set(Some(shared.clone()));
        let children: Vec<_> = (0..10).map(|_| fiber::spawn(|| ())).collect();
        assert_eq!(Arc::strong_count(&shared), 12);
        children.iter().for_each(fiber::JoinHandle::cancel);
        assert!(children.into_iter().all(|child| child.join().unwrap_err().is_cancelled()));
        let none = fiber::Builder::new().stack_size(0).spawn(|| ());
        assert!(none.join().unwrap_err().is_not_started());
        assert_eq!(Arc::strong_count(&shared), 2);
    });
}

#[test]
fn a_clone_that_panics_makes_the_spawn_panic() {
    #[derive(Debug)]
    struct Fails(Option<CountDrop>);
    impl Clone for Fails {
        fn clone(&self) -> Self {
            if self.0.is_some() { panic!("no copies") } else { Fails(None) }
        }
    }
    fiber_local! {
        inherit static FIRST: RefCell<Fails> = const { RefCell::new(Fails(None)) };
        inherit static SHARED: RefCell<Option<Arc<()>>> = const { RefCell::new(None) };
    }
    runtime(1).run(|| {
        let shared = Arc::new(());
        FIRST.set(Fails(Some(Count::new().on_drop())));
        SHARED.set(Some(shared.clone()));
        let in_scope = || fiber::scope(|s| drop(s.spawn(|| ())));
        for spawn in [&(|| drop(fiber::spawn(|| ()))) as &dyn Fn(), &in_scope] {
            assert!(catch_unwind(AssertUnwindSafe(spawn)).is_err());
            assert_eq!(Arc::strong_count(&shared), 2);
        }
        FIRST.set(Fails(None));
        fiber::spawn(|| ()).join().unwrap();
    });
}

#[test]
fn many_keys_do_not_meet() {
    macro_rules! keys {
        ($($name:ident = $value:literal,)*) => {
            fiber_local! { $(static $name: Cell<u32> = const { Cell::new($value) };)* }
            const ALL: &[(&fiber::LocalKey<Cell<u32>>, u32)] = &[$((&$name, $value),)*];
        };
    }
    keys! { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7, I = 8, J = 9, K = 10, L = 11, M = 12, N = 13, }
    runtime(2).run(|| {
        let use_all = |backwards: bool| {
            let mut keys = ALL.to_vec();
            if backwards {
                keys.reverse();
            }
            for (key, value) in &keys {
                assert_eq!(key.get(), *value);
                key.set(value + 100);
                fiber::yield_now();
            }
            assert!(keys.iter().all(|(key, value)| key.get() == value + 100));
        };
        let fibers: Vec<_> = (0..8).map(|n| fiber::spawn(move || use_all(n % 2 == 0))).collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn a_coroutine_uses_those_of_its_fiber() {
    fiber_local! {
        static VALUE: Cell<u32> = const { Cell::new(0) };
    }
    runtime(1).run(|| {
        VALUE.set(1);
        let mut values = Generator::new(|yielder| {
            VALUE.with(|value| {
                loop {
                    yielder.suspend(value.get());
                }
            })
        });
        assert_eq!(values.next(), Some(1));
        VALUE.set(2);
        assert_eq!(values.next(), Some(2));
    });
}

#[test]
fn a_coroutine_in_one_does_not_see_the_others_destroyed() {
    fiber_local! {
        static KEPT: RefCell<Option<Generator<()>>> = const { RefCell::new(None) };
        static BORROWED: String = "alive".to_owned();
    }
    runtime(1).run(|| {
        let drops = Count::new();
        let counted = drops.clone();
        let owner = fiber::spawn(move || {
            // Older than what the generator borrows, so it is destroyed later.
            KEPT.set(None);
            let mut generator = Generator::new(move |yielder| {
                BORROWED.with(|text| {
                    let _reads = OnDrop(|| {
                        assert_eq!(text, "alive");
                        counted.add();
                    });
                    yielder.suspend(());
                });
            });
            generator.next();
            KEPT.set(Some(generator));
        });
        owner.join().unwrap();
        // It was leaked, not unwound.
        assert_eq!(drops.get(), 0);
    });
}
