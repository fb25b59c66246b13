//! The barrier.

use crate::common::{here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::Barrier;
use fiber::time::timeout;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

macro_rules! behaviour {
    () => {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        use sync::Barrier;

        #[test]
        fn nobody_passes_alone_and_one_leads() {
            const PARTIES: usize = 10;
            const ROUNDS: usize = 30;
            run(|| {
                let shared = Arc::new((Barrier::new(PARTIES), AtomicUsize::new(0), AtomicUsize::new(0)));
                let ends: Vec<_> = (0..PARTIES)
                    .map(|_| {
                        let shared = Arc::clone(&shared);
                        spawn(move || {
                            let (barrier, arrived, leaders) = &*shared;
                            for round in 1..=ROUNDS {
                                arrived.fetch_add(1, SeqCst);
                                let leads = barrier.wait().is_leader();
                                assert!(arrived.load(SeqCst) >= round * PARTIES);
                                leaders.fetch_add(usize::from(leads), SeqCst);
                            }
                        })
                    })
                    .collect();
                assert!(!ends.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
                assert_eq!(shared.2.load(SeqCst), ROUNDS);
            });
        }

        #[test]
        fn a_party_of_one_or_none_does_not_wait() {
            run(|| {
                for parties in [0, 1] {
                    let barrier = Barrier::new(parties);
                    assert!(barrier.wait().is_leader() && barrier.wait().is_leader());
                    assert_eq!(format!("{barrier:?}"), "Barrier { .. }");
                    assert_eq!(format!("{:?}", barrier.wait()), "BarrierWaitResult { is_leader: true }");
                }
            });
        }
    };
}

everywhere!(behaviour);

#[test]
fn fibers_and_threads_meet() {
    let (one, two) = (runtime(1), runtime(2));
    let (barrier, arrived) = (Arc::new(Barrier::new(9)), Arc::new(AtomicUsize::new(0)));
    let party = || {
        let (barrier, arrived) = (barrier.clone(), arrived.clone());
        move || {
            for round in 1..=50 {
                arrived.fetch_add(1, SeqCst);
                barrier.wait();
                assert!(arrived.load(SeqCst) >= round * 9);
            }
        }
    };
    let fibers: Vec<_> = (0..3).flat_map(|_| [one.spawn(party()), two.spawn(party())]).collect();
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(party())).collect();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_that_was_cancelled_or_too_late_does_not_count() {
    runtime(1).run(|| {
        let barrier = Arc::new(Barrier::new(2));
        let party = || {
            let barrier = barrier.clone();
            fiber::spawn(move || barrier.wait().is_leader())
        };
        let cancelled = party();
        until_waiting(&here(), &cancelled.fiber(), Reason::Barrier);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        assert!(barrier.wait_timeout(Duration::from_millis(1)).is_none());
        assert!(timeout(Duration::from_millis(1), || barrier.wait()).is_err());
        let first = party();
        until_waiting(&here(), &first.fiber(), Reason::Barrier);
        assert!(party().join().unwrap());
        assert!(!first.join().unwrap());
        // More than are woken at a time.
        let barrier = Arc::new(Barrier::new(101));
        let parties: Vec<_> = (0..100)
            .map(|_| {
                let barrier = barrier.clone();
                fiber::spawn(move || barrier.wait().is_leader())
            })
            .collect();
        let last = barrier.wait_timeout(Duration::MAX).unwrap().is_leader();
        let leaders = parties.into_iter().map(|party| party.join().unwrap()).filter(|&leads| leads).count();
        assert_eq!(leaders + usize::from(last), 1);
    });
}
