//! Queues, of all capacities, and their long histories.
//!
//! A history of a queue is linearizable if and only if none of four things is in it (T. Henzinger, A. Sezgin, V. Vafeiadis,
//! "Aspect-Oriented Linearizability Proofs", CONCUR 2013): a message received that was not sent yet, one received twice, two received in
//! another order than sent, and an "empty" at no moment of which the queue can have been empty. Bounds add two: a "full" at no moment of
//! which it can have been full, and a moment at which it must have held too many.

use crate::common::{Random, TestRuntime, runtime};
use crate::{Interval, timed};
use fiber::sync::mpmc::{
    Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError, channel, sync_channel,
};
use fiber::sync::{broadcast, mpsc};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
struct History {
    sent: Vec<(u64, Interval)>,
    received: Vec<(u64, Interval)>,
    empty: Vec<Interval>,
    full: Vec<Interval>,
}

impl History {
    fn add(&mut self, other: History) {
        self.sent.extend(other.sent);
        self.received.extend(other.received);
        self.empty.extend(other.empty);
        self.full.extend(other.full);
    }

    /// What is wrong with it, if it is one of a queue from which everything was received in the end.
    fn wrong(&self, capacity: Option<usize>) -> Option<String> {
        let mut received = HashMap::new();
        for &(message, at) in &self.received {
            if received.insert(message, at).is_some() {
                return Some(format!("{message} was received twice"));
            }
        }
        let mut messages = Vec::new();
        for (message, sent) in &self.sent {
            match received.remove(message) {
                None => return Some(format!("{message} was lost")),
                Some(received) if received.precedes(*sent) => {
                    return Some(format!("{message} came before it was sent"));
                }
                Some(received) => messages.push((*message, *sent, received)),
            }
        }
        if let Some(message) = received.keys().next() {
            return Some(format!("{message} was received and never sent"));
        }
        for &(first, sent_first, received_first) in &messages {
            for &(second, sent_second, received_second) in &messages {
                if sent_first.precedes(sent_second) && received_second.precedes(received_first) {
                    return Some(format!("{first} was sent before {second} and received after it"));
                }
            }
        }
        // From the end of its sending to the beginning of its receiving a message is there for certain.
        let mut certain: Vec<_> = messages.iter().map(|(_, sent, received)| (sent.end, received.begin)).collect();
        certain.retain(|(from, to)| from < to);
        certain.sort_unstable();
        for empty in &self.empty {
            let mut covered = empty.begin;
            for &(from, to) in &certain {
                if from <= covered {
                    covered = covered.max(to);
                }
            }
            if covered > empty.end {
                return Some(format!("empty at {empty:?}, when it never was"));
            }
        }
        let capacity = capacity?;
        for &(moment, _) in &certain {
            let held = certain.iter().filter(|&&(from, to)| from <= moment && moment < to).count();
            if held > capacity {
                return Some(format!("{held} messages at {moment}"));
            }
        }
        for full in &self.full {
            let possible =
                messages.iter().filter(|(_, sent, received)| sent.begin < full.end && received.end > full.begin);
            if possible.count() < capacity {
                return Some(format!("full at {full:?}, with too few messages for that"));
            }
        }
        None
    }
}

/// Sends and receives at random.
fn take_part(sender: Sender<u64>, receiver: Receiver<u64>, number: u64, seed: u64) -> History {
    let (mut random, mut history) = (Random::seeded(seed * 100 + number), History::default());
    for n in 0..40 {
        let message = number * 1000 + n;
        let limit = Duration::from_micros(random.below(50));
        match random.below(5) {
            0 => match timed(|| sender.try_send(message)) {
                (at, Ok(())) => history.sent.push((message, at)),
                (at, Err(TrySendError::Full(_))) => history.full.push(at),
                (_, Err(TrySendError::Disconnected(_))) => panic!("receivers are left"),
            },
            1 | 2 => match timed(|| sender.send_timeout(message, limit)) {
                (at, Ok(())) => history.sent.push((message, at)),
                (at, Err(SendTimeoutError::Timeout(_))) => history.full.push(at),
                (_, Err(SendTimeoutError::Disconnected(_))) => panic!("receivers are left"),
            },
            3 => match timed(|| receiver.try_recv()) {
                (at, Ok(message)) => history.received.push((message, at)),
                (at, Err(TryRecvError::Empty)) => history.empty.push(at),
                (_, Err(TryRecvError::Disconnected)) => panic!("senders are left"),
            },
            _ => match timed(|| receiver.recv_timeout(limit)) {
                (at, Ok(message)) => history.received.push((message, at)),
                (at, Err(RecvTimeoutError::Timeout)) => history.empty.push(at),
                (_, Err(RecvTimeoutError::Disconnected)) => panic!("senders are left"),
            },
        }
        if random.below(8) == 0 {
            fiber::yield_now();
        }
    }
    history
}

fn record(runtime: &TestRuntime, (sender, receiver): (Sender<u64>, Receiver<u64>), seed: u64) -> History {
    let part = |number| {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        move || take_part(sender, receiver, number, seed)
    };
    let fibers: Vec<_> = (0..4).map(|number| runtime.spawn(part(number))).collect();
    let threads: Vec<_> = (4..6).map(|number| std::thread::spawn(part(number))).collect();
    let mut history = History::default();
    fibers.into_iter().for_each(|fiber| history.add(fiber.join().unwrap()));
    threads.into_iter().for_each(|thread| history.add(thread.join().unwrap()));
    drop(sender);
    while let (at, Ok(message)) = timed(|| receiver.recv()) {
        history.received.push((message, at));
    }
    history
}

#[test]
fn queues_of_all_capacities() {
    let runtime = runtime(2);
    for capacity in [None, Some(0), Some(1), Some(2), Some(7)] {
        for seed in 0..30 {
            let ends = capacity.map_or_else(channel, sync_channel);
            let history = record(&runtime, ends, seed);
            assert!(history.sent.len() + history.full.len() > 0);
            assert_eq!(history.wrong(capacity), None, "capacity {capacity:?}, seed {seed}");
        }
    }
}

/// All receivers of a broadcast see the same order, which is one in which the messages can have been sent.
#[test]
fn all_receivers_of_a_broadcast_see_one_order() {
    let runtime = runtime(2);
    for _ in 0..10 {
        let (sender, receiver) = broadcast::channel(10_000);
        let listen =
            |mut receiver: broadcast::Receiver<u64>| move || receiver.iter().map(Result::unwrap).collect::<Vec<_>>();
        let fibers: Vec<_> = (0..3).map(|_| runtime.spawn(listen(receiver.resubscribe()))).collect();
        let thread = std::thread::spawn(listen(receiver));
        let send = |sender: broadcast::Sender<u64>, number: u64| {
            move || {
                let message = |n| number * 1000 + n;
                (0..100).map(|n| (message(n), timed(|| sender.send(message(n)).unwrap()).0)).collect::<Vec<_>>()
            }
        };
        let senders: Vec<_> = (0..3).map(|number| runtime.spawn(send(sender.clone(), number))).collect();
        let mut sent = send(sender, 3)();
        senders.into_iter().for_each(|sender| sent.extend(sender.join().unwrap()));
        let order = thread.join().unwrap();
        fibers.into_iter().for_each(|fiber| assert_eq!(fiber.join().unwrap(), order));
        let sent: HashMap<_, _> = sent.into_iter().collect();
        assert_eq!(order.len(), sent.len());
        let mut latest = 0;
        for message in order {
            assert!(sent[&message].end > latest, "{message} was sent before one that is ahead of it");
            latest = latest.max(sent[&message].begin);
        }
    }
}

/// The check finds what it is to find.
#[test]
fn wrong_histories_are_found() {
    let at = |begin, end| Interval { begin, end };
    let history = |sent: &[(u64, Interval)], received: &[(u64, Interval)], empty: &[Interval], full: &[Interval]| {
        History { sent: sent.to_vec(), received: received.to_vec(), empty: empty.to_vec(), full: full.to_vec() }
    };
    let (first, second) = ((1, at(1, 2)), (2, at(3, 4)));
    let right = history(&[first, second], &[(1, at(5, 8)), (2, at(6, 7))], &[at(0, 2), at(6, 9)], &[at(3, 5)]);
    assert_eq!(right.wrong(Some(2)), None);
    assert_eq!(right.wrong(Some(0)), Some("1 messages at 2".into()));
    let wrong = [
        history(&[first], &[(1, at(3, 4)), (1, at(5, 6))], &[], &[]),
        history(&[first], &[], &[], &[]),
        history(&[second], &[(2, at(1, 2))], &[], &[]),
        history(&[], &[(2, at(1, 2))], &[], &[]),
        history(&[first, second], &[(1, at(7, 8)), (2, at(5, 6))], &[], &[]),
        history(&[first], &[(1, at(9, 10))], &[at(3, 8)], &[]),
        history(&[first, second], &[(1, at(5, 6)), (2, at(9, 10))], &[at(3, 8)], &[]),
        history(&[first], &[(1, at(9, 10))], &[], &[at(3, 8)]),
    ];
    for (number, history) in wrong.iter().enumerate() {
        assert!(history.wrong(Some(2)).is_some(), "history {number}");
    }
}

#[test]
fn a_channel_for_one_receiver_keeps_the_order_of_time() {
    let runtime = runtime(2);
    let (sender, receiver) = mpsc::channel();
    let send = |number: u64, sender: mpsc::Sender<u64>| {
        move || {
            (0..200)
                .map(|n| (number * 1000 + n, timed(|| sender.send(number * 1000 + n).unwrap()).0))
                .collect::<Vec<_>>()
        }
    };
    let fibers: Vec<_> = (0..3).map(|number| runtime.spawn(send(number, sender.clone()))).collect();
    let thread = std::thread::spawn(send(3, sender));
    let mut history = History::default();
    while let (at, Ok(message)) = timed(|| receiver.recv()) {
        history.received.push((message, at));
    }
    fibers.into_iter().for_each(|fiber| history.sent.extend(fiber.join().unwrap()));
    history.sent.extend(thread.join().unwrap());
    assert_eq!(history.wrong(None), None);
}

/// A channel of one receiver, bounded: it sends and does not wait, or waits; the receiver does either, or waits with a limit.
#[test]
fn bounded_channels_for_one_receiver() {
    let runtime = runtime(2);
    for capacity in [0, 1, 3] {
        for seed in 0..20 {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            let part = |number: u64| {
                let sender = sender.clone();
                move || {
                    let (mut random, mut history) = (Random::seeded(seed * 100 + number), History::default());
                    for message in (0..40).map(|n| number * 1000 + n) {
                        if random.below(3) == 0 {
                            history.sent.push((message, timed(|| sender.send(message).unwrap()).0));
                            continue;
                        }
                        match timed(|| sender.try_send(message)) {
                            (at, Ok(())) => history.sent.push((message, at)),
                            (at, Err(TrySendError::Full(_))) => history.full.push(at),
                            (_, Err(TrySendError::Disconnected(_))) => panic!("the receiver is left"),
                        }
                        fiber::yield_now();
                    }
                    history
                }
            };
            let fibers: Vec<_> = (0..3).map(|number| runtime.spawn(part(number))).collect();
            let threads: Vec<_> = (3..5).map(|number| std::thread::spawn(part(number))).collect();
            drop(sender);
            let receives = move || {
                let (mut random, mut history) = (Random::seeded(seed), History::default());
                loop {
                    let (at, result) = match random.below(3) {
                        0 => timed(|| receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)),
                        1 => timed(|| receiver.recv_timeout(Duration::from_micros(random.below(50)))),
                        _ => timed(|| {
                            receiver.try_recv().map_err(|error| match error {
                                TryRecvError::Empty => RecvTimeoutError::Timeout,
                                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                            })
                        }),
                    };
                    match result {
                        Ok(message) => history.received.push((message, at)),
                        Err(RecvTimeoutError::Timeout) => history.empty.push(at),
                        Err(RecvTimeoutError::Disconnected) => return history,
                    }
                }
            };
            let receiving = runtime.spawn(receives);
            let mut history = History::default();
            fibers.into_iter().for_each(|fiber| history.add(fiber.join().unwrap()));
            threads.into_iter().for_each(|thread| history.add(thread.join().unwrap()));
            history.add(receiving.join().unwrap());
            assert_eq!(history.wrong(Some(capacity)), None, "capacity {capacity}, seed {seed}");
        }
    }
}
