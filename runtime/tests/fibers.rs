//! Fibers through the public interface: spawning, joining, parking, panics, scopes.
#![cfg(not(loom))]

use fiber::runtime::{Builder, Runtime};
use fiber::time::{Elapsed, sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).build().unwrap()
}

#[test]
fn spawn_and_join() {
    let runtime = runtime(2);
    let sum: u64 = runtime.run(|| {
        let children: Vec<_> = (0..1000u64).map(|n| fiber::spawn(move || n)).collect();
        children.into_iter().map(|child| child.join().unwrap()).sum()
    });
    assert_eq!(sum, 499_500);
}

#[test]
fn yielding_interleaves() {
    runtime(1).run(|| {
        let turns = Arc::new(std::sync::Mutex::new(Vec::new()));
        let children: Vec<_> = (0..3)
            .map(|n| {
                let turns = turns.clone();
                fiber::spawn_local(move || {
                    for round in 0..3 {
                        turns.lock().unwrap().push((round, n));
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        let turns = turns.lock().unwrap();
        assert!(turns.is_sorted(), "{turns:?}");
        assert_eq!(turns.len(), 9);
    });
}

#[test]
fn a_panic_reaches_the_joiner() {
    runtime(1).run(|| {
        let error = fiber::spawn(|| panic!("with {}", "text")).join().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.to_string(), "the fiber panicked: with text");
    });
}

#[test]
#[should_panic(expected = "from the first fiber")]
fn a_panic_reaches_the_runner() {
    runtime(1).run(|| panic!("from the first fiber"));
}

#[test]
fn sleeping_takes_at_least_as_long() {
    runtime(2).run(|| {
        let begin = Instant::now();
        sleep(Duration::from_micros(300));
        assert!(begin.elapsed() >= Duration::from_micros(300));
    });
}

#[test]
fn timeouts_nest_and_unwind() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    runtime(1).run(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let outcome = timeout(Duration::from_millis(1), || {
            let _count = Count(dropped.clone());
            timeout(Duration::from_secs(60), || {
                let _count = Count(dropped.clone());
                fiber::park();
            })
        });
        assert_eq!(outcome, Err(Elapsed));
        assert_eq!(dropped.load(SeqCst), 2);
        assert_eq!(
            timeout(Duration::from_secs(60), || timeout(Duration::from_millis(1), fiber::park)),
            Ok(Err(Elapsed))
        );
        // The fiber is as good as new.
        sleep(Duration::from_millis(1));
    });
}

#[test]
fn threads_and_fibers_unpark_each_other() {
    let runtime = runtime(2);
    runtime.run(|| {
        let this = fiber::current();
        let thread = std::thread::spawn(move || this.unpark());
        fiber::park();
        thread.join().unwrap();
    });
}

#[test]
fn a_scope_waits_for_its_children() {
    runtime(2).run(|| {
        let count = AtomicUsize::new(0);
        fiber::scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    fiber::yield_now();
                    count.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!(count.load(SeqCst), 100);
    });
}

#[test]
fn shutdown_cancels_what_waits() {
    let runtime = runtime(2);
    let parked: Vec<_> = (0..100).map(|_| runtime.spawn(fiber::park)).collect();
    runtime.shutdown(Duration::from_secs(30)).unwrap();
    for parked in parked {
        assert!(parked.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn a_hundred_thousand_live_fibers() {
    let runtime = Builder::new().workers(2).stack_size(64 * 1024).build().unwrap();
    runtime.run(|| {
        let children: Vec<_> = (0..100_000u64).map(|n| fiber::spawn(move || (fiber::park(), n).1)).collect();
        let handle = fiber::runtime::Handle::try_current().unwrap();
        while handle.dump().fibers().len() < 100_001 {
            sleep(Duration::from_millis(5));
        }
        children.iter().for_each(|child| child.fiber().unpark());
        let sum: u64 = children.into_iter().map(|child| child.join().unwrap()).sum();
        assert_eq!(sum, 100_000 * 99_999 / 2);
    });
}
