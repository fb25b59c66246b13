//! What Go's tests of its `select` (test/chan and runtime/chan_test.go) expect, as behaviour of ours.

use crate::common::{Count, Random};
use crate::everywhere::Place;
use fiber::select;
use fiber::sync::mpmc::{Receiver, Sender, channel, sync_channel};
use fiber::sync::mpsc;
use fiber::time::after;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

everywhere! {
    sends_and_receives_take_turns
    what_blocks_and_what_does_not
    fair_to_ready_channels
    chance_decides_between_two_sends
    a_channel_twice
    not_with_itself
    other_waiters_of_a_failed_case_stay_in_line
    without_blocking_a_race_has_a_winner
    two_selects_move_each_value_once
    two_that_wait_for_each_other_crosswise
    a_crowd_on_four_channels
    barriers_of_a_select_and_a_send
    producers_and_consumers
}

/// select.go: one function sends on either of two channels, with guards, until both values are out.
fn sends_and_receives_take_turns<P: Place>() {
    P::run(|| {
        let ((a_sender, a), (b_sender, b)) = (sync_channel(0), sync_channel(0));
        let peer = P::spawn(move || {
            let (mut to_a, mut to_b) = (0..10, 0..10);
            let (mut next_a, mut next_b) = (to_a.next(), to_b.next());
            while next_a.is_some() || next_b.is_some() {
                select! {
                    sent = a_sender.send(next_a.unwrap_or(99)), if next_a.is_some() => { sent.unwrap(); next_a = to_a.next() }
                    sent = b_sender.send(next_b.unwrap_or(99)), if next_b.is_some() => { sent.unwrap(); next_b = to_b.next() }
                }
            }
        });
        let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
        while from_a.len() + from_b.len() < 20 {
            select! {
                message = a.recv(), if from_a.len() < 10 => from_a.push(message.unwrap()),
                message = b.recv(), if from_b.len() < 10 => from_b.push(message.unwrap()),
            }
        }
        peer();
        assert!(from_a.iter().chain(&from_b).copied().eq((0..10).chain(0..10)));
    });
}

/// select3.go, select7.go: which cases block, with and without a default. What could be done goes before the timer, which on a
/// busy machine has fired as well by the time that the select looks.
fn what_blocks_and_what_does_not<P: Place>() {
    P::run(|| {
        fn recv_blocks(receiver: &Receiver<u8>) -> bool {
            let at_once = select! { _ = receiver.recv() => false, default => true };
            let in_time =
                select! { biased; _ = receiver.recv() => false, () = after(Duration::from_micros(300)) => true };
            assert_eq!(at_once, in_time);
            at_once
        }
        fn send_blocks(sender: &Sender<u8>) -> bool {
            let at_once = select! { _ = sender.send(1) => false, default => true };
            let in_time =
                select! { biased; _ = sender.send(1) => false, () = after(Duration::from_micros(300)) => true };
            assert_eq!(at_once, in_time);
            at_once
        }
        let (sender, receiver) = sync_channel(0);
        assert!(recv_blocks(&receiver) && send_blocks(&sender), "an empty rendezvous");
        let (sender, receiver) = sync_channel(10);
        assert!(recv_blocks(&receiver), "an empty buffer");
        assert!(!send_blocks(&sender), "a buffer with room");
        assert!(!recv_blocks(&receiver), "a buffer with messages");
        while sender.try_send(1).is_ok() {}
        assert!(send_blocks(&sender), "a full buffer");
        drop(sender);
        (0..20).for_each(|_| assert!(!recv_blocks(&receiver), "a closed one gives what is left, and then its end"));
        let (sender, receiver) = sync_channel(0);
        drop(receiver);
        assert!(!send_blocks(&sender), "one that nobody will receive from");
        let never = [].first() as Option<&Receiver<u8>>;
        assert!(select! {
            _ = never.map(Receiver::recv_event) => false,
            default => true,
        });
    });
}

/// TestSelectFairness: two channels that are always ready get about as much, beside two that never are.
fn fair_to_ready_channels<P: Place>() {
    P::run(|| {
        const TRIALS: usize = 4000;
        let ready = [(); 2].map(|()| channel());
        ready.iter().for_each(|(sender, _)| (0..TRIALS).for_each(|_| sender.send(()).unwrap()));
        let never = [(); 2].map(|()| channel::<()>());
        let mut counts = [0, 0];
        for _ in 0..TRIALS {
            select! {
                _ = ready[0].1.recv() => counts[0] += 1,
                _ = ready[1].1.recv() => counts[1] += 1,
                _ = never[0].1.recv() => unreachable!(),
                _ = never[1].1.recv() => unreachable!(),
            }
        }
        // Half each; the standard deviation is 32.
        assert!(counts.iter().all(|&count| count > TRIALS / 2 - 300), "{counts:?}");
    });
}

/// TestPseudoRandomSend: of two sends on one channel, neither is always taken.
fn chance_decides_between_two_sends<P: Place>() {
    P::run(|| {
        for capacity in [0, 1] {
            const COUNT: usize = 200;
            let (sender, receiver) = sync_channel(capacity);
            let peer = P::spawn(move || receiver.iter().take(COUNT).filter(|&bit| bit).count());
            for _ in 0..COUNT {
                select! {
                    sent = sender.send(true) => sent.unwrap(),
                    sent = sender.send(false) => sent.unwrap(),
                }
            }
            let ones = peer();
            assert!((COUNT / 10..COUNT * 9 / 10).contains(&ones), "{ones}");
        }
    });
}

/// TestSelectDuplicateChannel: somebody waits on a channel twice and on another; others of the same channel get theirs.
fn a_channel_twice<P: Place>() {
    P::run(|| {
        let ((c_sender, c), (d_sender, d)) = (sync_channel(0), sync_channel(0));
        let first = P::spawn({
            let c = c.clone();
            move || {
                select! {
                    _ = c.recv() => 'c',
                    _ = c.recv() => 'c',
                    _ = d.recv() => 'd',
                }
            }
        });
        P::pause();
        let second = P::spawn(move || c.recv().unwrap());
        P::pause();
        d_sender.send(7).unwrap();
        assert_eq!(first(), 'd');
        c_sender.send(8).unwrap();
        assert_eq!(second(), 8);
    });
}

/// TestSelfSelect: sending and receiving on one channel in one select does not meet itself, but another's.
fn not_with_itself<P: Place>() {
    P::run(|| {
        for capacity in [0, 10] {
            let (sender, receiver) = sync_channel(capacity);
            let peers: Vec<_> = (0..2u64)
                .map(|id| {
                    let (sender, receiver) = (sender.clone(), receiver.clone());
                    P::spawn(move || {
                        for n in 0..300 {
                            if id == 0 || n % 2 == 0 {
                                select! {
                                    sent = sender.send(id) => sent.unwrap(),
                                    got = receiver.recv() => assert!(capacity > 0 || got != Ok(id), "it has met itself"),
                                }
                            } else {
                                select! {
                                    got = receiver.recv() => assert!(capacity > 0 || got != Ok(id), "it has met itself"),
                                    sent = sender.send(id) => sent.unwrap(),
                                }
                            }
                        }
                    })
                })
                .collect();
            peers.into_iter().for_each(|peer| peer());
        }
    });
}

/// select6.go: a case that failed takes its own place from the middle of a line, and nobody else's.
fn other_waiters_of_a_failed_case_stay_in_line<P: Place>() {
    P::run(|| {
        let ((a_sender, a), (b_sender, b)) = (sync_channel::<u8>(0), sync_channel::<u8>(0));
        let before = P::spawn({
            let a = a.clone();
            move || a.recv().unwrap()
        });
        P::pause();
        let middle = P::spawn({
            let a = a.clone();
            move || select! { got = a.recv() => got.unwrap(), got = b.recv() => got.unwrap() }
        });
        P::pause();
        let behind = P::spawn(move || a.recv().unwrap());
        P::pause();
        b_sender.send(1).unwrap();
        assert_eq!(middle(), 1);
        a_sender.send(2).unwrap();
        a_sender.send(2).unwrap();
        assert_eq!((before(), behind()), (2, 2));
    });
}

/// TestNonblockSelectRace: of two ready channels one is seen, whatever else is going on.
fn without_blocking_a_race_has_a_winner<P: Place>() {
    P::run(|| {
        for _ in 0..200 {
            let ((one_sender, one), (other_sender, other)) = (sync_channel(1), sync_channel(1));
            one_sender.send(1).unwrap();
            let peer = P::spawn({
                let (one, other) = (one.clone(), other.clone());
                move || select! { _ = one.recv() => true, _ = other.recv() => true, default => false }
            });
            other_sender.send(1).unwrap();
            let _ = one.try_recv();
            assert!(peer(), "there was one at any time");
        }
    });
}

/// doubleselect.go: one sends each value on any of four channels, one receives from any of them: each comes once.
fn two_selects_move_each_value_once<P: Place>() {
    P::run(|| {
        const COUNT: u32 = 1000;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| sync_channel(0)).unzip();
        let peer = P::spawn(move || {
            for n in 0..COUNT {
                select! {
                    sent = senders[0].send(n) => sent,
                    sent = senders[1].send(n) => sent,
                    sent = senders[2].send(n) => sent,
                    sent = senders[3].send(n) => sent,
                }
                .unwrap();
            }
        });
        for n in 0..COUNT {
            let got = select! {
                got = receivers[0].recv() => got,
                got = receivers[1].recv() => got,
                got = receivers[2].recv() => got,
                got = receivers[3].recv() => got,
            };
            assert_eq!(got, Ok(n));
        }
        peer();
    });
}

/// TestSelectStress in the small, with the hardest order: each offers what the other wants, in lines that cross.
fn two_that_wait_for_each_other_crosswise<P: Place>() {
    P::run(|| {
        const COUNT: usize = 1000;
        let ((one_sender, one), (other_sender, other)) = (sync_channel(0), sync_channel(0));
        let peer = P::spawn({
            let (one, other_sender) = (one.clone(), other_sender.clone());
            move || {
                let (mut sent, mut got) = (0, 0);
                for n in 0..COUNT {
                    select! {
                        result = other_sender.send(n) => { result.unwrap(); sent += 1 }
                        result = one.recv() => { assert_eq!(result, Ok(n)); got += 1 }
                    }
                }
                (sent, got)
            }
        });
        let (mut sent, mut got) = (0, 0);
        for n in 0..COUNT {
            select! {
                result = one_sender.send(n) => { result.unwrap(); sent += 1 }
                result = other.recv() => { assert_eq!(result, Ok(n)); got += 1 }
            }
        }
        assert_eq!(peer(), (got, sent));
        assert_eq!(sent + got, COUNT);
    });
}

/// TestSelectStress: plain sends and receives on four channels, one who sends on any of them and one who receives from any.
fn a_crowd_on_four_channels<P: Place>() {
    P::run(|| {
        const COUNT: usize = 300;
        let channels: [_; 4] = std::array::from_fn(|n| sync_channel::<usize>([0, 0, 2, 3][n]));
        let mut peers = Vec::new();
        for (sender, receiver) in &channels {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            peers.push(P::spawn(move || (0..COUNT).for_each(|n| sender.send(n).unwrap())));
            peers.push(P::spawn(move || {
                (0..COUNT).for_each(|_| {
                    receiver.recv().unwrap();
                })
            }));
        }
        let senders = channels.each_ref().map(|(sender, _)| sender.clone());
        peers.push(P::spawn(move || {
            let mut left = [COUNT; 4];
            while left.iter().any(|&left| left > 0) {
                let sent = select! {
                    sent = senders[0].send(0), if left[0] > 0 => sent.map(|()| 0),
                    sent = senders[1].send(0), if left[1] > 0 => sent.map(|()| 1),
                    sent = senders[2].send(0), if left[2] > 0 => sent.map(|()| 2),
                    sent = senders[3].send(0), if left[3] > 0 => sent.map(|()| 3),
                };
                left[sent.unwrap()] -= 1;
            }
        }));
        let receivers = channels.each_ref().map(|(_, receiver)| receiver.clone());
        peers.push(P::spawn(move || {
            let mut left = [COUNT; 4];
            while left.iter().any(|&left| left > 0) {
                let got = select! {
                    got = receivers[0].recv(), if left[0] > 0 => got.map(|_| 0),
                    got = receivers[1].recv(), if left[1] > 0 => got.map(|_| 1),
                    got = receivers[2].recv(), if left[2] > 0 => got.map(|_| 2),
                    got = receivers[3].recv(), if left[3] > 0 => got.map(|_| 3),
                };
                left[got.unwrap()] -= 1;
            }
        }));
        peers.into_iter().for_each(|peer| peer());
        channels.iter().for_each(|(_, receiver)| assert!(receiver.try_recv().is_err()));
    });
}

/// TestChanSendSelectBarrier: one who sends and then selects on the answer is never left behind.
fn barriers_of_a_select_and_a_send<P: Place>() {
    P::run(|| {
        let ((questions, asked), (_never, never)) = (sync_channel::<mpsc::SyncSender<u32>>(0), channel::<u32>());
        let server = P::spawn(move || {
            for (n, answer) in (0..).zip(asked.iter()) {
                let _ = answer.try_send(n);
            }
        });
        for n in 0..300 {
            let (answer, answered) = mpsc::sync_channel(1);
            questions.send(answer).unwrap();
            select! {
                got = answered.recv() => assert_eq!(got, Ok(n)),
                _ = never.recv() => unreachable!(),
            }
        }
        drop(questions);
        server();
    });
}

/// TestMultiConsumer with selects on both sides, and with ends that come and go at random.
fn producers_and_consumers<P: Place>() {
    P::run(|| {
        const COUNT: usize = 200;
        let channels = [sync_channel(0), sync_channel(1), channel()];
        let (sum, taken) = (Arc::new(AtomicUsize::new(0)), Count::new());
        let consumers: Vec<_> = (0..3)
            .map(|_| {
                let receivers = channels.each_ref().map(|(_, receiver)| receiver.clone());
                let (sum, taken) = (sum.clone(), taken.clone());
                P::spawn(move || {
                    let mut open = [true; 3];
                    while open.contains(&true) {
                        let (which, got) = select! {
                            got = receivers[0].recv(), if open[0] => (0, got),
                            got = receivers[1].recv(), if open[1] => (1, got),
                            got = receivers[2].recv(), if open[2] => (2, got),
                        };
                        match got {
                            Ok(n) => {
                                sum.fetch_add(n, SeqCst);
                                taken.add();
                            }
                            Err(_) => open[which] = false,
                        }
                    }
                })
            })
            .collect();
        let producers: Vec<_> = (0..3)
            .map(|id| {
                let senders = channels.each_ref().map(|(sender, _)| sender.clone());
                P::spawn(move || {
                    let mut random = Random::seeded(id);
                    for n in 1..=COUNT {
                        // Sometimes it insists on one.
                        let only = usize::try_from(random.below(6)).unwrap();
                        select! {
                            sent = senders[0].send(n), if only >= 3 || only == 0 => sent,
                            sent = senders[1].send(n), if only >= 3 || only == 1 => sent,
                            sent = senders[2].send(n), if only >= 3 || only == 2 => sent,
                        }
                        .unwrap();
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer());
        drop(channels.map(|(sender, _)| sender));
        consumers.into_iter().for_each(|consumer| consumer());
        assert_eq!((taken.get(), sum.load(SeqCst)), (3 * COUNT, 3 * COUNT * (COUNT + 1) / 2));
    });
}
