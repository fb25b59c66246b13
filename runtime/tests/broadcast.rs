#![cfg(not(loom))]
//! Messages for all: each receiver gets every message in order, or is told how many it lost.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Count, LONG, Random, here, runtime, until_waiting};
use everywhere::{Join, Place};
use fiber::runtime::Reason;
use fiber::sync::broadcast::{Lagged, Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryRecvError, channel};
use fiber::time::timeout;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

everywhere! {
    every_receiver_gets_every_message
    receivers_that_lag_are_told_by_how_much
    what_was_sent_before_the_close_is_received_after_it
    a_receiver_that_waits_is_told_when_the_last_sender_goes
    a_message_without_receivers_comes_back
    a_receiver_begins_with_what_is_sent_after_it
    deadlines_are_not_early
    each_message_and_each_clone_is_dropped_once
    nothing_is_lost_unsaid_under_load
    receivers_come_and_go
}

fn every_receiver_gets_every_message<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel(1000);
        let joins: Vec<Join<Vec<u32>>> = (0..4)
            .map(|_| {
                let mut receiver = receiver.resubscribe();
                P::spawn(move || receiver.iter().map(Result::unwrap).collect())
            })
            .collect();
        drop(receiver);
        let second = sender.clone();
        assert!(sender.same_channel(&second));
        for n in 0..500 {
            let sender = if n % 2 == 0 { &sender } else { &second };
            assert_eq!(sender.send(n), Ok(4));
            if n % 50 == 0 {
                P::pause();
            }
        }
        drop((sender, second));
        for join in joins {
            assert!(join().into_iter().eq(0..500));
        }
    });
}

fn send_all(sender: &Sender<i32>, numbers: std::ops::Range<i32>) {
    numbers.for_each(|n| assert_eq!(sender.send(n), Ok(1)));
}

fn receivers_that_lag_are_told_by_how_much<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(3);
        assert_eq!(sender.capacity(), 3);
        send_all(&sender, 0..3);
        assert_eq!(receiver.recv(), Ok(0));
        send_all(&sender, 3..10);
        assert_eq!((receiver.len(), sender.len()), (9, 3));
        assert_eq!(receiver.recv(), Err(RecvError::Lagged(6)));
        assert_eq!(receiver.len(), 3);
        assert_eq!(receiver.try_recv(), Ok(7));
        send_all(&sender, 10..14);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(3)));
        send_all(&sender, 14..15);
        assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Lagged(1)));
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [Ok(12), Ok(13), Ok(14)]);
    });
}

fn what_was_sent_before_the_close_is_received_after_it<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(2);
        send_all(&sender, 0..3);
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [Err(Lagged(1)), Ok(1), Ok(2)]);
        assert_eq!(receiver.recv(), Err(RecvError::Closed));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Closed));
    });
}

fn a_receiver_that_waits_is_told_when_the_last_sender_goes<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel::<u8>(1);
        let mut second = receiver.resubscribe();
        let joins = [
            P::spawn(move || receiver.recv()),
            P::spawn(move || second.recv_timeout(LONG).map_err(|_| RecvError::Closed)),
        ];
        let other = sender.clone();
        drop(sender);
        P::pause();
        drop(other);
        joins.into_iter().for_each(|join| assert_eq!(join(), Err(RecvError::Closed)));
    });
}

fn a_message_without_receivers_comes_back<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel(1);
        assert_eq!(sender.receiver_count(), 1);
        drop(receiver);
        assert_eq!(sender.send("back"), Err(SendError("back")));
        assert_eq!(sender.receiver_count(), 0);
        assert!(sender.is_empty());
        let mut receiver = sender.subscribe();
        assert_eq!(sender.send("there"), Ok(1));
        assert_eq!(receiver.recv(), Ok("there"));
    });
}

fn a_receiver_begins_with_what_is_sent_after_it<P: Place>() {
    P::run(|| {
        let (sender, mut first) = channel(10);
        sender.send(1).unwrap();
        let (mut second, mut third) = (sender.subscribe(), first.resubscribe());
        assert!(first.same_channel(&second));
        sender.send(2).unwrap();
        assert_eq!((first.len(), second.len()), (2, 1));
        assert_eq!((first.recv(), second.recv(), third.recv()), (Ok(1), Ok(2), Ok(2)));
        assert!(second.is_empty() && !first.is_empty());
    });
}

fn deadlines_are_not_early<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(1);
        for micros in [0, 1, 500, 3000] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            assert_eq!(receiver.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
            assert!(Instant::now() >= deadline);
        }
        sender.send(1).unwrap();
        assert_eq!(receiver.recv_deadline(Instant::now()), Ok(1), "what is there is received at any time");
        let join = P::spawn(move || {
            P::pause();
            sender.send(2).unwrap();
        });
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(2));
        join();
    });
}

/// Counts how many of it there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Counted {
        alive.fetch_add(1, SeqCst);
        Counted(alive.clone())
    }
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        Counted::new(&self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn each_message_and_each_clone_is_dropped_once<P: Place>() {
    P::run(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let count = || alive.load(SeqCst);
        let (sender, mut first) = channel(3);
        let mut second = sender.subscribe();
        let send = |sender: &Sender<Counted>| drop(sender.send(Counted::new(&alive)));
        (0..3).for_each(|_| send(&sender));
        assert_eq!(count(), 3);
        drop(first.recv());
        assert_eq!(count(), 3, "the second has not had it");
        drop(second.recv());
        assert_eq!(count(), 2, "all have had it");
        (0..4).for_each(|_| send(&sender));
        assert_eq!(count(), 3, "the window holds three");
        drop(first);
        assert_eq!(count(), 3);
        assert!(matches!(second.recv(), Err(RecvError::Lagged(3))));
        drop(second.recv());
        assert_eq!(count(), 2, "the last receiver takes the message itself");
        drop(second);
        assert_eq!(count(), 0, "nobody can receive what is left");
        send(&sender);
        assert_eq!(count(), 0);
        let receiver = sender.subscribe();
        send(&sender);
        drop(sender);
        assert_eq!(count(), 1);
        drop(receiver);
        assert_eq!(count(), 0);
    });
}

/// What a receiver got, as the number of messages and of those that it was told it lost; numbers of each sender grow.
fn listen(receiver: &mut Receiver<(usize, u64)>) -> (u64, u64) {
    let (mut received, mut lost, mut last) = (0, 0, [None; 4]);
    for message in receiver.iter() {
        match message {
            Ok((sender, n)) => {
                assert!(last[sender].replace(n).is_none_or(|before| before < n));
                received += 1;
            }
            Err(Lagged(n)) => lost += n,
        }
    }
    (received, lost)
}

fn nothing_is_lost_unsaid_under_load<P: Place>() {
    P::run(|| {
        for capacity in [1, 4, 100] {
            let (sender, receiver) = channel(capacity);
            let listeners: Vec<_> = (0..3)
                .map(|_| {
                    let mut receiver = receiver.resubscribe();
                    P::spawn(move || listen(&mut receiver))
                })
                .collect();
            drop(receiver);
            let senders: Vec<_> = (0..4)
                .map(|number| {
                    let sender = sender.clone();
                    P::spawn(move || {
                        for n in 0..200 {
                            sender.send((number, n)).unwrap();
                            if n % 16 == 0 {
                                fiber::time::sleep(Duration::from_micros(10));
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            senders.into_iter().for_each(|join| join());
            for join in listeners {
                let (received, lost) = join();
                assert_eq!(received + lost, 800);
            }
        }
    });
}

fn receivers_come_and_go<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = channel(8);
        let joins: Vec<_> = (0..3)
            .map(|seed| {
                let mut receiver = receiver.resubscribe();
                P::spawn(move || {
                    let mut random = Random::seeded(seed);
                    for _ in 0..100 {
                        (0..random.below(3)).for_each(|_| drop(receiver.try_recv()));
                        receiver = receiver.resubscribe();
                        let _ = receiver.recv_timeout(Duration::from_micros(random.below(20)));
                    }
                })
            })
            .collect();
        (0..300).for_each(|_| drop(sender.send(Arc::new(dropped.on_drop()))));
        joins.into_iter().for_each(|join| join());
        drop(receiver);
        assert_eq!(dropped.get(), 300);
        assert_eq!((sender.len(), sender.receiver_count()), (0, 0));
    });
}

#[test]
fn a_cancelled_receiver_stays_where_it_was() {
    runtime(1).run(|| {
        let (sender, mut receiver) = channel(4);
        for n in 0..100 {
            assert!(timeout(Duration::from_micros(20), || receiver.recv()).is_err());
            sender.send(n).unwrap();
            assert_eq!(receiver.recv(), Ok(n));
        }
        let fiber = fiber::spawn(move || receiver.recv());
        until_waiting(&here(), &fiber.fiber(), Reason::Receive);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(sender.receiver_count(), 0);
    });
}

#[test]
#[should_panic(expected = "one message at least")]
fn a_channel_without_room_is_a_mistake() {
    let _ = channel::<()>(0);
}
