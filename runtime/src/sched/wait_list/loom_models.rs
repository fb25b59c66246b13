//! Models of the list: waking against giving up.

use super::*;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;
use std::sync::atomic::Ordering::{Acquire, Release};

/// A waiter, as far as the list is concerned: enlisted, then either woken or giving up. What it was left with.
fn wait_or_give_up(list: &WaitList, cell: &AtomicUsize) -> bool {
    let node = Node::new(Waiter::thread(false), Ask::default());
    {
        let mut ends = list.lock();
        if cell.load(Acquire) > 0 {
            return true;
        }
        // SAFETY: the function returns after `give_up`, which leaves the node out of the list.
        unsafe { ends.enlist(&node) };
    }
    list.give_up(&node, GaveUp::TimedOut).is_ok()
}

/// Cancellation against completion: a wake meets a waiter that gives up. The wake is taken by the waiter, or finds nobody;
/// it is never lost on one that says it gave up, and the node is out of the list either way.
#[test]
fn loom_wait_list_giving_up_never_swallows_a_wake() {
    loom::model(|| {
        let list = Arc::new(WaitList::new());
        let permits = Arc::new(AtomicUsize::new(0));
        let waker = {
            let (list, permits) = (list.clone(), permits.clone());
            thread::spawn(move || {
                let mut woke = false;
                list.wake_first(|waiter, _| {
                    woke = waiter.is_some();
                    if !woke {
                        permits.fetch_add(1, Release);
                    }
                    Woken::Granted
                });
                woke
            })
        };
        let got = wait_or_give_up(&list, &permits);
        let woke = waker.join().unwrap();
        assert!(!woke || got, "the permit went to a waiter that gave up");
        assert!(!list.has_waiters());
    });
}

/// Two waiters and one wake: exactly one of them gets it, unless it came before either was there.
#[test]
fn loom_wait_list_one_wake_is_for_one_waiter() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let list = Arc::new(WaitList::new());
        let nothing = Arc::new(AtomicUsize::new(0));
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let (list, nothing) = (list.clone(), nothing.clone());
                thread::spawn(move || wait_or_give_up(&list, &nothing))
            })
            .collect();
        let mut woke = false;
        list.wake_first(|waiter, _| {
            woke = waiter.is_some();
            Woken::Granted
        });
        let got = waiters.into_iter().map(|waiter| waiter.join().unwrap()).filter(|&got| got).count();
        assert_eq!(got, usize::from(woke));
        assert!(!list.has_waiters());
    });
}

/// All are woken while two give up: one that gives up afterwards, whether or not its turn came, says that it was woken. At most
/// one of them was woken by the waker, the other is to be woken by the first.
#[test]
fn loom_wait_list_who_was_released_does_not_give_up() {
    loom::model(|| {
        let list = Arc::new(WaitList::new());
        let released = Arc::new(AtomicUsize::new(0));
        let nodes = [(); 2].map(|()| Node::new(Waiter::thread(false), Ask::default()));
        for node in &nodes {
            // SAFETY: each gives up below, before the nodes go.
            unsafe { list.lock().enlist(node) };
        }
        let waker = {
            let (list, released) = (list.clone(), released.clone());
            thread::spawn(move || {
                list.wake_in_turn();
                released.store(1, Release);
            })
        };
        let mut turns = 0;
        for node in &nodes {
            let afterwards = released.load(Acquire) > 0;
            let woken = list.give_up(node, GaveUp::TimedOut).ok();
            assert!(!afterwards || woken.is_some());
            turns += usize::from(woken == Some(Woken::Granted));
        }
        waker.join().unwrap();
        assert!(turns <= 1 && !list.has_waiters() && !list.lock().has_released());
    });
}
