//! Channels that are no queues of messages, each to one: `oneshot`, `watch`, `broadcast`.

use crate::common::{Random, runtime};
use crate::search::{Model, Recorded, is_linearizable, record};
use crate::timed;
use fiber::sync::{broadcast, oneshot, watch};
use std::sync::Arc;
use std::time::Duration;

type Part<O> = Box<dyn FnOnce() -> Recorded<O> + Send>;

fn soon(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(60))
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct OneMessage {
    sent: bool,
    received: bool,
    sender_gone: bool,
    receiver_gone: bool,
}

#[derive(Debug)]
enum OneShot {
    Send,
    SendInVain,
    DropSender,
    Receive,
    Empty,
    Disconnected,
    DropReceiver,
}

impl Model for OneMessage {
    type Operation = OneShot;

    fn after(&self, operation: &OneShot) -> Option<OneMessage> {
        let OneMessage { sent, received, sender_gone, receiver_gone } = *self;
        match operation {
            OneShot::Send => (!receiver_gone).then(|| OneMessage { sent: true, sender_gone: true, ..self.clone() }),
            OneShot::SendInVain => receiver_gone.then(|| OneMessage { sender_gone: true, ..self.clone() }),
            OneShot::DropSender => Some(OneMessage { sender_gone: true, ..self.clone() }),
            OneShot::Receive => (sent && !received).then(|| OneMessage { received: true, ..self.clone() }),
            OneShot::Empty => (!sent && !sender_gone).then(|| self.clone()),
            OneShot::Disconnected => (!sent && sender_gone).then(|| self.clone()),
            OneShot::DropReceiver => Some(OneMessage { receiver_gone: true, ..self.clone() }),
        }
    }
}

#[test]
fn one_message() {
    let runtime = runtime(2);
    for seed in 0..400 {
        let (sender, receiver) = oneshot::channel();
        let sends = move || {
            let mut random = Random::seeded(seed);
            (0..random.below(20)).for_each(|_| fiber::yield_now());
            if random.below(4) == 0 {
                return vec![(timed(|| drop(sender)).0, OneShot::DropSender)];
            }
            let (at, result) = timed(|| sender.send(7));
            vec![(at, if result.is_ok() { OneShot::Send } else { OneShot::SendInVain })]
        };
        let receives = move || {
            let (mut random, mut history, mut receiver) = (Random::seeded(!seed), Vec::new(), receiver);
            for _ in 0..20 {
                let back = if random.below(2) == 0 {
                    let (at, result) = timed(|| receiver.try_recv());
                    match result {
                        Ok(_) => (at, Ok(OneShot::Receive)),
                        Err(oneshot::TryRecvError::Empty(back)) => (at, Err(back)),
                        Err(oneshot::TryRecvError::Disconnected) => (at, Ok(OneShot::Disconnected)),
                    }
                } else {
                    let (at, result) = timed(|| receiver.recv_timeout(soon(&mut random) / 10));
                    match result {
                        Ok(_) => (at, Ok(OneShot::Receive)),
                        Err(oneshot::RecvTimeoutError::Timeout(back)) => (at, Err(back)),
                        Err(oneshot::RecvTimeoutError::Disconnected) => (at, Ok(OneShot::Disconnected)),
                    }
                };
                match back {
                    (at, Ok(last)) => {
                        history.push((at, last));
                        return history;
                    }
                    (at, Err(back)) => {
                        history.push((at, OneShot::Empty));
                        receiver = back;
                    }
                }
            }
            history.push((timed(|| drop(receiver)).0, OneShot::DropReceiver));
            history
        };
        // Which of them is on a thread changes.
        let nothing: fn() -> Recorded<OneShot> = Vec::new;
        let mut parts: Vec<Part<OneShot>> = vec![Box::new(sends), Box::new(receives)];
        parts.insert(seed as usize % 3, Box::new(nothing));
        let history = record(&runtime, parts);
        assert!(is_linearizable(&OneMessage::default(), &history), "seed {seed}: {history:?}");
    }
}

const RECEIVERS: usize = 2;

/// A value, which version of it, and which each receiver has seen.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Watched {
    value: u64,
    version: u64,
    seen: [u64; RECEIVERS],
}

enum Watching {
    Send(u64),
    Borrow(u64),
    /// With the value, which counts as seen.
    Update(usize, u64),
    /// It was waited for, and counts as seen.
    Changed(usize),
    HasChanged(usize),
    Unchanged(usize),
}

impl Model for Watched {
    type Operation = Watching;

    fn after(&self, operation: &Watching) -> Option<Watched> {
        let see = |receiver: usize| {
            let mut next = self.clone();
            next.seen[receiver] = self.version;
            next
        };
        let has_changed = |receiver: usize| self.seen[receiver] != self.version;
        match *operation {
            Watching::Send(value) => Some(Watched { value, version: self.version + 1, ..self.clone() }),
            Watching::Borrow(value) => (value == self.value).then(|| self.clone()),
            Watching::Update(receiver, value) => (value == self.value).then(|| see(receiver)),
            Watching::Changed(receiver) => has_changed(receiver).then(|| see(receiver)),
            Watching::HasChanged(receiver) => has_changed(receiver).then(|| self.clone()),
            Watching::Unchanged(receiver) => (!has_changed(receiver)).then(|| self.clone()),
        }
    }
}

#[test]
fn a_watched_value() {
    let runtime = runtime(2);
    for seed in 0..60 {
        let (sender, receiver) = watch::channel(0);
        let sender = Arc::new(sender);
        let receives = |number: usize| {
            let mut receiver = receiver.clone();
            move || {
                let mut random = Random::seeded(seed * 100 + number as u64);
                let one = |_| match random.below(5) {
                    0 => {
                        let (at, value) = timed(|| *receiver.borrow());
                        (at, Watching::Borrow(value))
                    }
                    1 => {
                        let (at, value) = timed(|| *receiver.borrow_and_update());
                        (at, Watching::Update(number, value))
                    }
                    2 => {
                        let (at, changed) = timed(|| receiver.has_changed().unwrap());
                        (at, if changed { Watching::HasChanged(number) } else { Watching::Unchanged(number) })
                    }
                    _ => {
                        let (at, result) = timed(|| receiver.changed_timeout(soon(&mut random)));
                        (at, if result.is_ok() { Watching::Changed(number) } else { Watching::Unchanged(number) })
                    }
                };
                (0..15).map(one).collect()
            }
        };
        let sends = |number: u64| {
            let sender = sender.clone();
            move || {
                let one = |n| {
                    fiber::yield_now();
                    let value = number * 100 + n;
                    (timed(|| sender.send(value).unwrap()).0, Watching::Send(value))
                };
                (0..10).map(one).collect()
            }
        };
        let parts: [Part<Watching>; 4] =
            [Box::new(receives(0)), Box::new(sends(1)), Box::new(receives(1)), Box::new(sends(2))];
        let history = record(&runtime, parts);
        assert!(is_linearizable(&Watched { value: 0, version: 0, seen: [0; RECEIVERS] }, &history), "seed {seed}");
    }
}

const CAPACITY: usize = 2;

/// All that was sent, and where each receiver is in it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Broadcast {
    sent: Vec<u64>,
    at: [usize; RECEIVERS],
}

enum Broadcasting {
    Send(u64),
    Receive(usize, u64),
    Lagged(usize, u64),
    Empty(usize),
}

impl Model for Broadcast {
    type Operation = Broadcasting;

    fn after(&self, operation: &Broadcasting) -> Option<Broadcast> {
        let mut next = self.clone();
        let fits = match *operation {
            Broadcasting::Send(message) => {
                next.sent.push(message);
                true
            }
            Broadcasting::Receive(receiver, message) => {
                let at = &mut next.at[receiver];
                *at += 1;
                self.sent.len() + 1 - *at <= CAPACITY && self.sent.get(*at - 1) == Some(&message)
            }
            Broadcasting::Lagged(receiver, lost) => {
                let at = &mut next.at[receiver];
                *at += lost as usize;
                lost > 0 && *at + CAPACITY == self.sent.len()
            }
            Broadcasting::Empty(receiver) => self.at[receiver] == self.sent.len(),
        };
        fits.then_some(next)
    }
}

#[test]
fn a_broadcast_that_loses_messages() {
    let runtime = runtime(2);
    let mut lagged = 0;
    for seed in 0..60 {
        let (sender, receiver) = broadcast::channel(CAPACITY);
        let receives = |number: usize| {
            let mut receiver = receiver.resubscribe();
            move || {
                let mut random = Random::seeded(seed * 100 + number as u64);
                let one = |_| {
                    let (at, result) = if random.below(2) == 0 {
                        timed(|| receiver.try_recv())
                    } else {
                        timed(|| {
                            receiver.recv_timeout(soon(&mut random)).map_err(|error| match error {
                                broadcast::RecvTimeoutError::Timeout => broadcast::TryRecvError::Empty,
                                broadcast::RecvTimeoutError::Closed => broadcast::TryRecvError::Closed,
                                broadcast::RecvTimeoutError::Lagged(lost) => broadcast::TryRecvError::Lagged(lost),
                            })
                        })
                    };
                    match result {
                        Ok(message) => Some((at, Broadcasting::Receive(number, message))),
                        Err(broadcast::TryRecvError::Lagged(lost)) => Some((at, Broadcasting::Lagged(number, lost))),
                        Err(broadcast::TryRecvError::Empty) => Some((at, Broadcasting::Empty(number))),
                        Err(broadcast::TryRecvError::Closed) => None,
                    }
                };
                (0..25).map_while(one).collect()
            }
        };
        let sends = |number: u64| {
            let sender = sender.clone();
            move || {
                let one = |n| {
                    if n % 4 == 0 {
                        fiber::yield_now();
                    }
                    let message = number * 100 + n;
                    (timed(|| sender.send(message).unwrap()).0, Broadcasting::Send(message))
                };
                (0..12).map(one).collect()
            }
        };
        let parts: [Part<Broadcasting>; 4] =
            [Box::new(receives(0)), Box::new(sends(1)), Box::new(receives(1)), Box::new(sends(2))];
        let history = record(&runtime, parts);
        lagged += history.iter().filter(|(_, operation)| matches!(operation, Broadcasting::Lagged(..))).count();
        assert!(is_linearizable(&Broadcast::default(), &history), "seed {seed}");
        // A third, who receives nothing: sending never fails.
        drop(receiver);
    }
    assert!(lagged > 0, "nobody was too slow");
}
