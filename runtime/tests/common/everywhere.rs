//! The same test body between threads, between fibers, and across.
//!
//! A body is generic over the [`Place`] that it runs in, and `everywhere!` makes a test of it for each place.

use fiber::runtime::Handle;
use fiber::sync::oneshot;
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Waits for what was spawned, and gives its result.
pub(crate) type Join<T> = Box<dyn FnOnce() -> T>;

/// Where a body runs, and where what it spawns runs.
pub(crate) trait Place {
    fn run(body: impl FnOnce() + Send);

    /// Called from the body.
    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T>;

    /// Gives the others time to come to a wait. Nothing depends on whether it was enough.
    fn pause() {
        fiber::time::sleep(Duration::from_millis(2));
    }
}

fn on_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T> {
    // Waits for the thread without holding the worker.
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || sender.send(f()));
    Box::new(|| receiver.recv().expect("the thread has panicked"))
}

/// All on threads.
pub(crate) struct Threads;

impl Place for Threads {
    fn run(body: impl FnOnce() + Send) {
        let _watch = super::common::Watch::begin(None);
        body();
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T> {
        on_thread(f)
    }
}

/// All on fibers of so many workers.
pub(crate) struct Fibers<const WORKERS: usize>;

impl<const WORKERS: usize> Place for Fibers<WORKERS> {
    fn run(body: impl FnOnce() + Send) {
        super::common::runtime(WORKERS).run(body);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T> {
        let fiber = fiber::spawn(f);
        Box::new(|| fiber.join().unwrap())
    }
}

/// The body on a fiber, what it spawns on threads and on fibers in turn.
pub(crate) struct Mixed;

impl Place for Mixed {
    fn run(body: impl FnOnce() + Send) {
        super::common::runtime(2).run(body);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        if TURN.fetch_add(1, Relaxed).is_multiple_of(2) { on_thread(f) } else { Fibers::<2>::spawn(f) }
    }
}

/// The body on a fiber of one runtime, what it spawns on fibers of another.
pub(crate) struct Runtimes;

thread_local! {
    static OTHER: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

impl Place for Runtimes {
    fn run(body: impl FnOnce() + Send) {
        let (here, other) = (super::common::runtime(1), super::common::runtime(1));
        here.run(|| {
            OTHER.set(Some(other.handle()));
            body();
        });
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Join<T> {
        let fiber = OTHER.with_borrow(|other| other.as_ref().expect("called from the body").spawn(f));
        Box::new(|| fiber.join().unwrap())
    }
}

/// Tests of these bodies in every place.
macro_rules! everywhere {
    ($($body:ident)*) => {
        everywhere!(@ on_threads, crate::everywhere::Threads, $($body)*);
        everywhere!(@ on_fibers_of_one_worker, crate::everywhere::Fibers<1>, $($body)*);
        everywhere!(@ on_fibers_of_two_workers, crate::everywhere::Fibers<2>, $($body)*);
        everywhere!(@ mixed, crate::everywhere::Mixed, $($body)*);
        everywhere!(@ across_runtimes, crate::everywhere::Runtimes, $($body)*);
    };
    (@ $name:ident, $place:ty, $($body:ident)*) => {
        mod $name {
            $(
                #[test]
                fn $body() {
                    super::$body::<$place>();
                }
            )*
        }
    };
}
