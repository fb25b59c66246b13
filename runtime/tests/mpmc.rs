#![cfg(not(loom))]
//! Channels with many ends of both kinds: everything that Go's tests expect of channels and std's of theirs, in every place.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Count, LONG, Random, eventually, here, runtime, state, until_waiting};
use everywhere::{Join, Place};
use fiber::runtime::Reason;
use fiber::sync::mpmc::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError, TrySendError, channel,
    sync_channel,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

everywhere! {
    what_was_sent_is_received_in_order
    a_full_channel_and_an_empty_one_refuse
    closing_wakes_all_receivers
    closing_wakes_all_senders_and_gives_their_messages_back
    what_was_sent_before_the_close_is_received_after_it
    each_message_goes_to_one_of_many
    a_channel_never_holds_more_than_it_can
    a_rendezvous_is_a_meeting
    a_send_that_timed_out_keeps_its_message
    deadlines_are_not_early_and_do_not_matter_to_what_is_there
    a_race_of_time_limits_and_messages_loses_none
    a_race_of_closing_and_receiving_loses_none
    a_race_of_closing_and_sending_drops_each_message_once
    messages_left_are_dropped_with_the_last_receiver
    a_receiver_that_does_not_wait_races_with_one_that_does
    clones_of_both_ends_are_counted
    destructors_of_messages_may_use_the_channel
    large_and_empty_messages
    a_sieve_of_primes
    messages_arrive_whole_from_deep_stacks
    a_burst_is_drained_in_order
}

const CAPACITIES: [Option<usize>; 5] = [None, Some(0), Some(1), Some(2), Some(10)];

fn make<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    capacity.map_or_else(channel, sync_channel)
}

fn join_all<T>(joins: impl IntoIterator<Item = Join<T>>) -> Vec<T> {
    joins.into_iter().map(|join| join()).collect()
}

fn what_was_sent_is_received_in_order<P: Place>() {
    P::run(|| {
        for capacity in CAPACITIES {
            let (sender, receiver) = make(capacity);
            let join = P::spawn(move || (0..500).for_each(|n| sender.send(n).unwrap()));
            assert!((0..500).all(|n| receiver.recv() == Ok(n)));
            assert_eq!(receiver.recv(), Err(RecvError));
            join();
        }
    });
}

fn a_full_channel_and_an_empty_one_refuse<P: Place>() {
    P::run(|| {
        for capacity in 0..5 {
            let (sender, receiver) = sync_channel(capacity);
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
            (0..capacity).for_each(|n| sender.try_send(n).unwrap());
            assert_eq!(sender.try_send(99), Err(TrySendError::Full(99)));
            assert_eq!(sender.send_timeout(99, Duration::ZERO), Err(SendTimeoutError::Timeout(99)));
            assert_eq!((sender.len(), receiver.len(), sender.is_full()), (capacity, capacity, true));
            assert_eq!((sender.capacity(), receiver.capacity()), (Some(capacity), Some(capacity)));
            assert!((0..capacity).all(|n| receiver.try_recv() == Ok(n)));
            assert!(receiver.is_empty() && sender.is_empty());
            assert_eq!(receiver.is_full(), capacity == 0);
        }
        let (sender, receiver) = channel();
        (0..100).for_each(|n| sender.try_send(n).unwrap());
        assert_eq!((receiver.len(), receiver.capacity(), receiver.is_full()), (100, None, false));
    });
}

fn closing_wakes_all_receivers<P: Place>() {
    P::run(|| {
        for capacity in CAPACITIES {
            let (sender, receiver) = make::<()>(capacity);
            let joins: Vec<_> = (0..5)
                .map(|n| {
                    let receiver = receiver.clone();
                    P::spawn(move || match n % 2 {
                        0 => receiver.recv().is_err(),
                        _ => receiver.recv_timeout(LONG) == Err(RecvTimeoutError::Disconnected),
                    })
                })
                .collect();
            P::pause();
            drop(sender);
            assert!(join_all(joins).into_iter().all(|closed| closed));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
    });
}

fn closing_wakes_all_senders_and_gives_their_messages_back<P: Place>() {
    P::run(|| {
        for capacity in [0, 1, 3] {
            let dropped = Count::new();
            let (sender, receiver) = sync_channel(capacity);
            (0..capacity).for_each(|_| sender.send((99, dropped.on_drop())).unwrap());
            let joins: Vec<_> = (0..5)
                .map(|n| {
                    let (sender, guard) = (sender.clone(), dropped.on_drop());
                    P::spawn(move || match n % 2 {
                        0 => sender.send((n, guard)).unwrap_err().0.0,
                        _ => sender.send_timeout((n, guard), LONG).unwrap_err().into_inner().0,
                    })
                })
                .collect();
            P::pause();
            drop(receiver);
            assert_eq!(join_all(joins), [0, 1, 2, 3, 4]);
            assert_eq!(dropped.get(), capacity + 5);
            let SendError((n, _guard)) = sender.send((7, dropped.on_drop())).unwrap_err();
            assert_eq!(n, 7);
            assert!(matches!(sender.try_send((8, dropped.on_drop())), Err(TrySendError::Disconnected((8, _)))));
        }
    });
}

fn what_was_sent_before_the_close_is_received_after_it<P: Place>() {
    P::run(|| {
        for capacity in [None, Some(10)] {
            let (sender, receiver) = make(capacity);
            (0..10).for_each(|n| sender.send(n).unwrap());
            drop(sender);
            assert_eq!(receiver.recv(), Ok(0));
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.recv_timeout(LONG), Ok(2));
            assert_eq!(receiver.clone().try_iter().take(2).sum::<i32>(), 7);
            assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        }
    });
}

fn each_message_goes_to_one_of_many<P: Place>() {
    const EACH: u64 = 200;
    P::run(|| {
        for capacity in CAPACITIES {
            let (sender, receiver) = make(capacity);
            let receivers: Vec<_> = (0..4)
                .map(|_| {
                    let receiver = receiver.clone();
                    P::spawn(move || receiver.iter().collect::<Vec<u64>>())
                })
                .collect();
            drop(receiver);
            let senders: Vec<_> = (0..4)
                .map(|number| {
                    let sender = sender.clone();
                    P::spawn(move || (0..EACH).for_each(|n| sender.send(number * EACH + n).unwrap()))
                })
                .collect();
            drop(sender);
            join_all(senders);
            let received = join_all(receivers);
            for one in &received {
                let mut last = BTreeMap::new();
                for message in one {
                    let before = last.insert(message / EACH, message);
                    assert!(before.is_none_or(|before| before < message), "each receiver sees each sender's order");
                }
            }
            let mut all: Vec<_> = received.into_iter().flatten().collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..4 * EACH), "{capacity:?}");
        }
    });
}

fn a_channel_never_holds_more_than_it_can<P: Place>() {
    P::run(|| {
        for capacity in [1, 2, 5] {
            let (sender, receiver) = sync_channel(capacity);
            let joins: Vec<_> = (0..4)
                .map(|_| {
                    let sender = sender.clone();
                    P::spawn(move || {
                        for n in 0..100 {
                            sender.send(n).unwrap();
                            assert!(sender.len() <= capacity);
                        }
                    })
                })
                .collect();
            drop(sender);
            let mut received = 0;
            while receiver.recv().is_ok() {
                received += 1;
                assert!(receiver.len() <= capacity);
            }
            assert_eq!(received, 400);
            join_all(joins);
        }
    });
}

fn a_rendezvous_is_a_meeting<P: Place>() {
    P::run(|| {
        let (sender, receiver) = sync_channel(0);
        let taken = Count::new();
        let join = P::spawn({
            let taken = taken.clone();
            move || {
                for n in 0..100 {
                    sender.send(n).unwrap();
                    assert!(taken.get() >= n, "the sender went on before its message was taken");
                    assert!(sender.is_empty() && sender.is_full());
                }
                sender
            }
        });
        for n in 0..100 {
            assert_eq!(receiver.recv(), Ok(n));
            taken.add();
        }
        let sender = join();
        // A message that is only tried meets whoever waits by then.
        let join = P::spawn(move || receiver.recv());
        let begin = Instant::now();
        while let Err(TrySendError::Full(4)) = sender.try_send(4) {
            assert!(begin.elapsed() < LONG);
            P::pause();
        }
        assert_eq!(join(), Ok(4));
    });
}

fn a_send_that_timed_out_keeps_its_message<P: Place>() {
    P::run(|| {
        for capacity in [0, 1] {
            let (sender, receiver) = sync_channel(capacity);
            (0..capacity).for_each(|_| sender.send("first").unwrap());
            for micros in [0, 1, 500, 3000] {
                let limit = Duration::from_micros(micros);
                let begin = Instant::now();
                assert_eq!(sender.send_timeout("late", limit), Err(SendTimeoutError::Timeout("late")));
                assert!(begin.elapsed() >= limit);
                assert_eq!(sender.send_deadline("late", begin), Err(SendTimeoutError::Timeout("late")));
            }
            let join = P::spawn(move || receiver.iter().collect::<Vec<_>>());
            assert_eq!(sender.send_timeout("second", Duration::MAX), Ok(()));
            drop(sender);
            assert_eq!(join(), ["first", "second"][1 - capacity..], "nothing that timed out comes");
        }
    });
}

fn deadlines_are_not_early_and_do_not_matter_to_what_is_there<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        let past = Instant::now();
        for micros in [0, 1, 500, 3000] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            assert_eq!(receiver.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
            assert!(Instant::now() >= deadline);
        }
        sender.send(1).unwrap();
        assert_eq!(receiver.recv_deadline(past), Ok(1));
        sender.send_deadline(2, past).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(2));
        let join = P::spawn(move || {
            P::pause();
            sender.send(3).unwrap();
        });
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(3));
        join();
    });
}

/// Both sides give up after almost no time, again and again.
fn a_race_of_time_limits_and_messages_loses_none<P: Place>() {
    P::run(|| {
        for capacity in [Some(0), Some(1), Some(3), None] {
            let (sender, receiver) = make(capacity);
            let senders: Vec<_> = (0..3)
                .map(|seed| {
                    let sender = sender.clone();
                    P::spawn(move || {
                        let (mut random, mut sent) = (Random::seeded(seed), Vec::new());
                        for n in 0..300 {
                            let message = seed * 1000 + n;
                            match sender.send_timeout(message, Duration::from_micros(random.below(60))) {
                                Ok(()) => sent.push(message),
                                Err(SendTimeoutError::Timeout(back)) => assert_eq!(back, message),
                                Err(SendTimeoutError::Disconnected(_)) => panic!("receivers are left"),
                            }
                        }
                        sent
                    })
                })
                .collect();
            drop(sender);
            let receivers: Vec<_> = (0..3)
                .map(|seed| {
                    let receiver = receiver.clone();
                    P::spawn(move || {
                        let (mut random, mut received) = (Random::seeded(seed), Vec::new());
                        loop {
                            match receiver.recv_timeout(Duration::from_micros(random.below(60))) {
                                Ok(message) => received.push(message),
                                Err(RecvTimeoutError::Timeout) => (),
                                Err(RecvTimeoutError::Disconnected) => return received,
                            }
                        }
                    })
                })
                .collect();
            let (mut sent, mut received) = (join_all(senders).concat(), join_all(receivers).concat());
            sent.sort_unstable();
            received.sort_unstable();
            assert_eq!(sent, received, "{capacity:?}");
        }
    });
}

fn a_race_of_closing_and_receiving_loses_none<P: Place>() {
    P::run(|| {
        for round in 0..60 {
            let (sender, receiver) = make(CAPACITIES[round % 5]);
            let sent = Count::new();
            let joins: Vec<_> = (0..2)
                .map(|_| {
                    let receiver = receiver.clone();
                    P::spawn(move || receiver.iter().count())
                })
                .collect();
            drop(receiver);
            let second = sender.clone();
            let join = P::spawn({
                let sent = sent.clone();
                move || (0..round % 7).for_each(|_| second.send(()).map(|()| sent.add()).unwrap())
            });
            (0..round % 3).for_each(|_| sender.send(()).map(|()| sent.add()).unwrap());
            drop(sender);
            join();
            assert_eq!(join_all(joins).into_iter().sum::<usize>(), sent.get());
        }
    });
}

fn a_race_of_closing_and_sending_drops_each_message_once<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let mut made = 0;
        for round in 0..60 {
            let (sender, receiver) = make(CAPACITIES[round % 5]);
            let joins: Vec<_> = (0..3)
                .map(|_| {
                    let (sender, dropped) = (sender.clone(), dropped.clone());
                    P::spawn(move || (1..).take_while(|_| sender.send(dropped.on_drop()).is_ok()).count() + 1)
                })
                .collect();
            drop(sender);
            let received = receiver.iter().take(round % 11).count();
            drop(receiver);
            assert_eq!(received, round % 11);
            made += join_all(joins).into_iter().sum::<usize>();
            assert_eq!(dropped.get(), made, "round {round}");
        }
    });
}

fn messages_left_are_dropped_with_the_last_receiver<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = channel();
        (0..5).for_each(|_| sender.send(dropped.on_drop()).unwrap());
        let second = receiver.clone();
        drop(receiver);
        assert_eq!(dropped.get(), 0);
        drop(second.recv().unwrap());
        assert_eq!(dropped.get(), 1);
        drop(second);
        assert_eq!(dropped.get(), 5);
        assert!(sender.send(dropped.on_drop()).is_err());
        drop(sender);
        assert_eq!(dropped.get(), 6);
        let (sender, receiver) = sync_channel(5);
        (0..5).for_each(|_| sender.send(dropped.on_drop()).unwrap());
        drop(sender);
        assert_eq!(dropped.get(), 6);
        drop(receiver);
        assert_eq!(dropped.get(), 11);
    });
}

fn a_receiver_that_does_not_wait_races_with_one_that_does<P: Place>() {
    P::run(|| {
        for round in 0..40 {
            let (sender, receiver) = make(CAPACITIES[round % 5]);
            let waits = P::spawn({
                let receiver = receiver.clone();
                move || receiver.iter().count()
            });
            let tries = P::spawn(move || {
                let mut received = 0;
                loop {
                    match receiver.try_recv() {
                        Ok(()) => received += 1,
                        Err(TryRecvError::Empty) => fiber::time::sleep(Duration::from_micros(20)),
                        Err(TryRecvError::Disconnected) => return received,
                    }
                }
            });
            (0..20).for_each(|_| sender.send(()).unwrap());
            drop(sender);
            assert_eq!(waits() + tries(), 20);
        }
    });
}

fn clones_of_both_ends_are_counted<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        let (sender2, receiver2) = (sender.clone(), receiver.clone());
        assert!(sender.same_channel(&sender2) && receiver.same_channel(&receiver2));
        assert!(!sender.same_channel(&channel().0) && !receiver.same_channel(&channel().1));
        drop((sender, receiver));
        sender2.send(1).unwrap();
        let join = P::spawn(move || (receiver2.recv(), receiver2.recv()));
        P::pause();
        drop(sender2);
        assert_eq!(join(), (Ok(1), Err(RecvError)));
    });
}

fn destructors_of_messages_may_use_the_channel<P: Place>() {
    struct Reports(Option<Sender<Reports>>, Count);
    impl Drop for Reports {
        fn drop(&mut self) {
            self.1.add();
            if let Some(sender) = self.0.take() {
                assert!(sender.len() <= 1);
                let _ = sender.send(Reports(None, self.1.clone()));
            }
        }
    }
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = channel();
        sender.send(Reports(Some(sender.clone()), dropped.clone())).unwrap();
        drop(receiver.recv().unwrap());
        assert!(receiver.recv().unwrap().0.is_none());
        assert_eq!(dropped.get(), 2);
        sender.send(Reports(Some(sender.clone()), dropped.clone())).unwrap();
        drop(receiver);
        assert_eq!(dropped.get(), 4, "a channel that holds a sender of itself leaks nothing");
    });
}

fn large_and_empty_messages<P: Place>() {
    P::run(|| {
        for capacity in CAPACITIES {
            let (sender, receiver) = make(capacity);
            let join = P::spawn(move || (0..20u8).for_each(|n| sender.send([n; 4096]).unwrap()));
            assert!((0..20u8).all(|n| receiver.recv() == Ok([n; 4096])));
            join();
            let (sender, receiver) = make(capacity);
            let join = P::spawn(move || (0..100).for_each(|_| sender.send(()).unwrap()));
            assert_eq!(receiver.iter().count(), 100);
            join();
        }
    });
}

/// A chain of filters, each with a channel to the next.
fn a_sieve_of_primes<P: Place>() {
    P::run(|| {
        let (sender, mut numbers) = sync_channel(1);
        let mut joins = vec![P::spawn(move || (2..).take_while(|&n| sender.send(n).is_ok()).for_each(drop))];
        let mut primes = Vec::new();
        for _ in 0..15 {
            let prime: u32 = numbers.recv().unwrap();
            primes.push(prime);
            let (sender, next) = sync_channel(1);
            let before = std::mem::replace(&mut numbers, next);
            joins.push(P::spawn(move || {
                before.iter().filter(|n| n % prime != 0).take_while(|&n| sender.send(n).is_ok()).for_each(drop);
            }));
        }
        drop(numbers);
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]);
        join_all(joins);
    });
}

/// Messages lie in their senders' and receivers' frames while those wait.
fn messages_arrive_whole_from_deep_stacks<P: Place>() {
    fn deep(depth: usize, sender: &Sender<[usize; 8]>) -> usize {
        let here = std::hint::black_box([depth; 16]);
        sender.send([depth; 8]).unwrap();
        let below = if depth > 0 { deep(depth - 1, sender) } else { 0 };
        below + here[depth % 16]
    }
    P::run(|| {
        let (sender, receiver) = sync_channel(0);
        let join = P::spawn(move || deep(50, &sender));
        assert!((0..=50).rev().all(|depth| receiver.recv() == Ok([depth; 8])));
        assert_eq!(join(), 50 * 51 / 2);
    });
}

fn a_burst_is_drained_in_order<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        for burst in [10, 5000, 3, 2000] {
            (0..burst).for_each(|n| sender.send(n).unwrap());
            assert!(receiver.try_iter().eq(0..burst));
        }
    });
}

#[test]
fn ends_can_be_sent_and_shared_if_messages_can_be_sent() {
    fn check<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: T) {}
    check(channel::<std::cell::Cell<u8>>());
}

#[test]
fn those_who_wait_are_served_in_order() {
    runtime(1).run(|| {
        let (sender, receiver) = sync_channel(0);
        let served = Arc::new(Mutex::new(Vec::new()));
        let fibers: Vec<_> = (0..5)
            .map(|number| {
                let (receiver, served) = (receiver.clone(), served.clone());
                let fiber = fiber::spawn(move || {
                    let message: u32 = receiver.recv().unwrap();
                    served.lock().unwrap().push((number, message));
                });
                until_waiting(&here(), &fiber.fiber(), Reason::Receive);
                fiber
            })
            .collect();
        (0..5).for_each(|n| sender.send(n).unwrap());
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(*served.lock().unwrap(), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        let fibers: Vec<_> = (0..5)
            .map(|number| {
                let sender = sender.clone();
                let fiber = fiber::spawn(move || sender.send(number).unwrap());
                until_waiting(&here(), &fiber.fiber(), Reason::Send);
                fiber
            })
            .collect();
        assert!((0..5).all(|n| receiver.recv() == Ok(n)));
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn one_that_gave_up_is_passed_over() {
    runtime(1).run(|| {
        let (sender, receiver) = sync_channel(0);
        let fibers: Vec<_> = (0..5)
            .map(|_| {
                let receiver = receiver.clone();
                let fiber = fiber::spawn(move || receiver.recv().unwrap());
                until_waiting(&here(), &fiber.fiber(), Reason::Receive);
                fiber
            })
            .collect();
        // The first, one in the middle, and the last leave the line.
        [0, 2, 4].iter().for_each(|&n: &usize| fibers[n].cancel());
        eventually("they have left", || {
            [0, 2, 4].iter().all(|&n: &usize| state(&here(), &fibers[n].fiber()).is_none())
        });
        [1, 3].iter().for_each(|&n| sender.send(n).unwrap());
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        let received: Vec<_> = fibers.into_iter().map(|fiber| fiber.join().ok()).collect();
        assert_eq!(received, [None, Some(1), None, Some(3), None]);
    });
}

#[test]
fn a_ready_channel_does_not_hold_the_worker() {
    runtime(1).run(|| {
        let (sender, receiver) = sync_channel(1);
        let ran = Arc::new(AtomicBool::new(false));
        fiber::spawn({
            let ran = ran.clone();
            move || ran.store(true, SeqCst)
        });
        let mut operations = 0;
        while !ran.load(SeqCst) {
            sender.send_timeout((), LONG).unwrap();
            receiver.recv_timeout(LONG).unwrap();
            operations += 2;
            assert!(operations < 200_000, "operations that need no wait yield now and then");
        }
    });
}

/// Fibers that are cancelled at any moment, on both sides, beside threads that are not: every message is received once, or was dropped
/// with a cancelled sender; those that were accepted are all received.
#[test]
fn cancellation_at_any_moment_loses_no_message() {
    let runtime = runtime(2);
    for capacity in CAPACITIES {
        let dropped = Count::new();
        let (sender, receiver) = make(capacity);
        let (made, accepted, received) = (Count::new(), Count::new(), Count::new());
        let send = |sender: Sender<_>, times: usize| {
            let (made, dropped, accepted) = (made.clone(), dropped.clone(), accepted.clone());
            move || {
                for _ in 0..times {
                    made.add();
                    sender.send(dropped.on_drop()).unwrap();
                    accepted.add();
                }
            }
        };
        let receive = |receiver: Receiver<_>| {
            let received = received.clone();
            move || {
                receiver.iter().for_each(|message| {
                    received.add();
                    drop(message);
                })
            }
        };
        let threads = [std::thread::spawn(send(sender.clone(), 500)), std::thread::spawn(receive(receiver.clone()))];
        let mut random = Random::seeded(7);
        for _ in 0..150 {
            let fibers = [
                runtime.spawn(send(sender.clone(), 20)),
                runtime.spawn(receive(receiver.clone())),
                runtime.spawn(send(sender.clone(), 20)),
            ];
            (0..random.below(300)).for_each(|_| std::hint::spin_loop());
            fibers[random.below(3) as usize].cancel();
            (0..random.below(300)).for_each(|_| std::hint::spin_loop());
            fibers.iter().for_each(|fiber| fiber.cancel());
            fibers.into_iter().for_each(|fiber| drop(fiber.join()));
        }
        drop((sender, receiver));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // A sender that was handed a place and was cancelled in the same moment has sent, and did not come to count it.
        assert!(received.get() >= accepted.get(), "{capacity:?}");
        assert_eq!(made.get(), dropped.get());
        assert!(received.get() - accepted.get() <= 300, "at most one for each sender that was cancelled");
    }
}

/// Threads and fibers of two runtimes on the same channels, with exact counts.
#[test]
fn many_of_all_kinds() {
    let runtimes = [runtime(2), runtime(1)];
    for capacity in CAPACITIES {
        let (sender, receiver) = make(capacity);
        let send = |sender: Sender<u64>, seed| {
            move || {
                let mut random = Random::seeded(seed);
                for n in 1..=200 {
                    sender.send(n).unwrap();
                    if random.below(4) == 0 {
                        fiber::yield_now();
                    }
                }
            }
        };
        let receive = |receiver: Receiver<u64>| move || receiver.iter().fold((0, 0), |(n, sum), m| (n + 1, sum + m));
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for (number, runtime) in runtimes.iter().enumerate() {
            senders.extend((0..10).map(|seed| runtime.spawn(send(sender.clone(), seed + number as u64 * 10))));
            receivers.extend((0..5).map(|_| runtime.spawn(receive(receiver.clone()))));
        }
        let threads: Vec<_> = (0..3).map(|seed| std::thread::spawn(send(sender.clone(), 100 + seed))).collect();
        let counting: Vec<_> = (0..2).map(|_| std::thread::spawn(receive(receiver.clone()))).collect();
        drop((sender, receiver));
        senders.into_iter().for_each(|fiber| fiber.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let counts = receivers.into_iter().map(|fiber| fiber.join().unwrap());
        let counts = counts.chain(counting.into_iter().map(|thread| thread.join().unwrap()));
        let (count, sum) = counts.fold((0, 0), |(n, sum), (m, part)| (n + m, sum + part));
        assert_eq!((count, sum), (23 * 200, 23 * 200 * 201 / 2), "{capacity:?}");
    }
}
