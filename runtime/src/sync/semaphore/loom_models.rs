//! Models of the hand-over: permits are neither lost nor made.

use super::*;
use loom::sync::Arc;
use loom::thread;

fn semaphore(permits: usize) -> Arc<Semaphore> {
    let semaphore = Semaphore::new(permits);
    // Makes the atomic before any thread starts.
    assert_eq!(semaphore.available_permits(), permits);
    Arc::new(semaphore)
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(model);
}

fn beside<T: 'static>(semaphore: &Arc<Semaphore>, f: impl FnOnce(&Semaphore) -> T + 'static) -> thread::JoinHandle<T> {
    let semaphore = semaphore.clone();
    thread::spawn(move || f(&semaphore))
}

/// Three that want one, one, and all of two permits: all get them, and the permits are there in the end.
#[test]
fn loom_semaphore_everybody_gets_permits() {
    check(|| {
        let semaphore = semaphore(2);
        let one = beside(&semaphore, |semaphore| drop(semaphore.acquire()));
        let two = beside(&semaphore, |semaphore| drop(semaphore.acquire_many(2)));
        drop(semaphore.acquire());
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(semaphore.state.load(Relaxed), 2 * PERMIT);
    });
}

/// One that wants more than there is gives up: those behind it are served without anybody's giving back.
#[test]
fn loom_semaphore_giving_up_lets_others_pass() {
    check(|| {
        let semaphore = semaphore(2);
        let held = semaphore.acquire();
        let greedy = beside(&semaphore, |semaphore| semaphore.acquire_many_timeout(2, Duration::ZERO).is_some());
        let modest = beside(&semaphore, |semaphore| drop(semaphore.acquire()));
        modest.join().unwrap();
        assert!(!greedy.join().unwrap());
        drop(held);
        assert_eq!(semaphore.state.load(Relaxed), 2 * PERMIT);
    });
}

/// One that gives up while its permit comes has it, or another has.
#[test]
fn loom_semaphore_no_permit_is_lost() {
    check(|| {
        let semaphore = semaphore(0);
        let hasty = beside(&semaphore, |semaphore| semaphore.acquire_timeout(Duration::ZERO).is_some());
        let patient = beside(&semaphore, |semaphore| drop(semaphore.acquire()));
        semaphore.add_permits(1);
        hasty.join().unwrap();
        patient.join().unwrap();
        assert_eq!(semaphore.state.load(Relaxed), PERMIT);
    });
}
