#![cfg(not(loom))]
//! Priorities as programs see them. Order and bounds are tested beside the scheduler, with its clock.

mod common;

use common::{here, runtime};
use fiber::sync::Mutex;
use fiber::{Builder, Priority};
use std::sync::Arc;

#[fiber::task(priority = "high")]
fn urgent(order: Arc<Mutex<Vec<&'static str>>>) {
    order.lock().unwrap().push("urgent");
}

#[fiber::task]
fn ordinary(order: Arc<Mutex<Vec<&'static str>>>) {
    order.lock().unwrap().push("ordinary");
}

#[test]
fn tasks_run_by_the_priority_of_their_attribute() {
    runtime(1).run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let fibers = [ordinary::spawn(order.clone()), urgent::spawn(order.clone())];
        let one_off = ordinary::builder().priority(Priority::Idle).spawn({
            let order = order.clone();
            move || order.lock().unwrap().push("idle")
        });
        assert_eq!(fibers.each_ref().map(|fiber| fiber.fiber().priority()), [Priority::Normal, Priority::High]);
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        one_off.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["urgent", "ordinary", "idle"]);
        assert_eq!(urgent::TASK.attributes().priority(), Some(Priority::High));
    });
}

#[test]
fn children_do_not_inherit_it() {
    runtime(1).run(|| {
        let child = Builder::new().priority(Priority::Low).spawn(|| fiber::spawn(|| fiber::current().priority()));
        assert_eq!(child.join().unwrap().join().unwrap(), Priority::Normal);
    });
}

#[test]
fn the_dump_shows_it() {
    runtime(1).run(|| {
        let low = Builder::new().name("sweeper").priority(Priority::Low).spawn(fiber::park);
        let shown = loop {
            let dump = here().dump();
            if let Some(fiber) = dump.fibers().iter().find(|fiber| fiber.id() == low.fiber().id()) {
                assert_eq!(fiber.priority(), Priority::Low);
                break fiber.to_string();
            }
            fiber::yield_now();
        };
        assert!(
            shown.contains("'sweeper'") && shown.ends_with(", low priority") || shown.contains("low priority,"),
            "{shown}"
        );
        low.fiber().unpark();
        low.join().unwrap();
    });
}

#[test]
fn every_priority_finishes_on_several_workers() {
    runtime(2).run(|| {
        let spawn = |n: usize| {
            let priority = [Priority::High, Priority::Normal, Priority::Low, Priority::Idle][n % 4];
            Builder::new().priority(priority).spawn(move || {
                for _ in 0..n % 7 {
                    fiber::yield_now();
                }
                n
            })
        };
        let fibers: Vec<_> = (0..2000).map(spawn).collect();
        let sum: usize = fibers.into_iter().map(|fiber| fiber.join().unwrap()).sum();
        assert_eq!(sum, 1999 * 1000);
    });
}
