#![cfg(not(loom))]
//! Sections in which a fiber does not suspend: each kind of wait is refused there, before anybody sees it, and what ends at once is not.

mod common;

use common::runtime;
use fiber::sync::{Condvar, Mutex, Notify, Semaphore, mpsc, oneshot};
use fiber::time::{Duration, after, sleep};
use fiber::{block_on, no_suspend, select};
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn refused<T>(what: &str, f: impl FnOnce() -> T) {
    let panic = catch_unwind(AssertUnwindSafe(|| no_suspend(f))).err();
    let panic = panic.unwrap_or_else(|| panic!("{what} is not refused"));
    let text = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(
        text.contains("what must not suspend the fiber") && text.contains("tests/no_suspend.rs:"),
        "{what}: {text}"
    );
}

#[test]
fn every_kind_of_wait_is_refused() {
    runtime(2).run(|| {
        let (sender, receiver) = mpsc::sync_channel::<u8>(0);
        let (_answer, question) = oneshot::channel::<u8>();
        let (notify, semaphore, condition) = (Notify::new(), Semaphore::new(0), Condvar::new());
        let lock = Mutex::new(());
        let parked = fiber::spawn(fiber::park);
        let listener = fiber::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let held = lock.lock().unwrap();
        refused("a lock", || drop(lock.lock()));
        drop(held);
        refused("a condition", || drop(condition.wait(Mutex::new(()).lock().unwrap())));
        refused("a send", || sender.send(1));
        refused("a receive", || receiver.recv());
        refused("an answer", || question.recv());
        refused("a notification", || notify.notified());
        refused("a permit", || drop(semaphore.acquire()));
        refused("a selection", || select! { _ = receiver.recv() => {}, () = notify.notified() => {} });
        refused("a future", || block_on(std::future::pending::<()>()));
        refused("a sleep", || sleep(Duration::ZERO));
        refused("a park", fiber::park);
        refused("a yield", fiber::yield_now);
        refused("a scope", || fiber::scope(|_| ()));
        refused("an operation", || listener.accept());
        refused("a blocking call", || fiber::blocking(|| ()));
        refused("nested", || no_suspend(|| sleep(Duration::ZERO)));
        // Nothing of all that is left behind.
        assert!(sender.try_send(1).is_err() && receiver.try_recv().is_err());
        notify.notify_one();
        assert!(notify.notified_timeout(Duration::ZERO));
        drop(lock.lock().unwrap());
        let fiber = parked.fiber();
        refused("a join", || parked.join());
        fiber.cancel();
        sleep(Duration::ZERO);
    });
}

#[test]
fn what_ends_at_once_is_allowed() {
    runtime(1).run(|| {
        let (sender, receiver) = mpsc::channel();
        let ended = fiber::spawn(|| 5);
        while !ended.is_finished() {
            fiber::yield_now();
        }
        let sum: u32 = no_suspend(|| {
            // More than a fiber may do before it gives way to others.
            (0..1000).for_each(|n| sender.send(n).unwrap());
            let mut sum = 0;
            while let Ok(n) = receiver.try_recv() {
                sum += n;
            }
            select! {
                _ = receiver.recv() => unreachable!(),
                default => {}
            }
            select! { () = after(Duration::ZERO) => {} }
            sum + ended.join().unwrap() + *Mutex::new(1).lock().unwrap() + block_on(async { 2 })
        });
        assert_eq!(sum, 499_508);
    });
    assert_eq!(no_suspend(std::thread::yield_now), ());
}
