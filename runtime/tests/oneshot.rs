#![cfg(not(loom))]
//! A single message: sent, received, given up, or too late, in every place.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Count, LONG, here, runtime, until_waiting};
use everywhere::Place;
use fiber::runtime::Reason;
use fiber::sync::oneshot::{RecvError, RecvTimeoutError, SendError, TryRecvError, channel};
use fiber::time::timeout;
use std::time::{Duration, Instant};

everywhere! {
    a_message_is_received_before_and_after_it_was_waited_for
    a_sender_that_goes_without_a_word_is_noticed
    a_message_too_late_comes_back
    a_time_limit_gives_the_receiver_back
    a_sender_is_told_when_nobody_wants_the_message
    many_at_once_in_any_order
    each_message_is_dropped_once
    a_race_of_sending_and_leaving_has_one_outcome
    a_channel_travels_through_itself
}

fn a_message_is_received_before_and_after_it_was_waited_for<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        sender.send(Box::new(1)).unwrap();
        assert_eq!(receiver.recv(), Ok(Box::new(1)));
        let (sender, receiver) = channel();
        let join = P::spawn(move || receiver.recv());
        P::pause();
        sender.send(Box::new(2)).unwrap();
        assert_eq!(join(), Ok(Box::new(2)));
        let (sender, receiver) = channel();
        let join = P::spawn(move || sender.send(Box::new(3)));
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), Box::new(3));
        join().unwrap();
    });
}

fn a_sender_that_goes_without_a_word_is_noticed<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel::<u8>();
        let join = P::spawn(move || receiver.recv());
        P::pause();
        drop(sender);
        assert_eq!(join(), Err(RecvError));
        let (sender, receiver) = channel::<u8>();
        drop(sender);
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Disconnected)));
        let (sender, receiver) = channel::<u8>();
        let join = P::spawn(move || drop(sender));
        assert!(matches!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected)));
        join();
    });
}

fn a_message_too_late_comes_back<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send("back"), Err(SendError("back")));
    });
}

fn a_time_limit_gives_the_receiver_back<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel();
        for micros in [0, 1, 500, 3000] {
            let (begin, limit) = (Instant::now(), Duration::from_micros(micros));
            let Err(RecvTimeoutError::Timeout(back)) = receiver.recv_timeout(limit) else { panic!("nothing was sent") };
            assert!(begin.elapsed() >= limit);
            let Err(RecvTimeoutError::Timeout(back)) = back.recv_deadline(begin) else { panic!("nothing was sent") };
            let Err(TryRecvError::Empty(back)) = back.try_recv() else { panic!("nothing was sent") };
            receiver = back;
        }
        sender.send(5).unwrap();
        assert_eq!(receiver.recv_deadline(Instant::now()).unwrap(), 5, "what is there is received at any time");
    });
}

fn a_sender_is_told_when_nobody_wants_the_message<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel::<u8>();
        let join = P::spawn(move || {
            sender.closed();
            sender.closed();
            sender.is_closed()
        });
        P::pause();
        drop(receiver);
        assert!(join());
    });
}

fn many_at_once_in_any_order<P: Place>() {
    P::run(|| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..100).map(|_| channel()).unzip();
        let join = P::spawn(move || {
            for (number, sender) in senders.into_iter().enumerate().rev() {
                sender.send(number).unwrap();
            }
        });
        for (number, receiver) in receivers.into_iter().enumerate() {
            assert_eq!(receiver.recv(), Ok(number));
        }
        join();
    });
}

fn each_message_is_dropped_once<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = channel();
        sender.send(dropped.on_drop()).unwrap();
        assert_eq!(dropped.get(), 0);
        drop(receiver);
        assert_eq!(dropped.get(), 1);
        let (sender, receiver) = channel();
        drop(receiver);
        drop(sender.send(dropped.on_drop()));
        assert_eq!(dropped.get(), 2);
        let (sender, receiver) = channel();
        sender.send(dropped.on_drop()).unwrap();
        drop(receiver.recv());
        assert_eq!(dropped.get(), 3);
    });
}

fn a_race_of_sending_and_leaving_has_one_outcome<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        for round in 0..200 {
            let (sender, receiver) = channel();
            let guard = dropped.on_drop();
            let join = P::spawn(move || sender.send((guard, round)).map_err(|SendError((_, n))| n));
            match receiver.recv_timeout(Duration::from_micros(round % 40)) {
                Ok((_, n)) => {
                    assert_eq!(n, round);
                    join().unwrap();
                }
                Err(RecvTimeoutError::Timeout(receiver)) => {
                    // It may have been sent since, or comes back now: it is dropped either way.
                    drop(receiver);
                    let _ = join();
                }
                Err(RecvTimeoutError::Disconnected) => panic!("it is sent"),
            }
            assert_eq!(dropped.get(), round as usize + 1);
        }
    });
}

fn a_channel_travels_through_itself<P: Place>() {
    P::run(|| {
        let (question, asked) = channel();
        let join = P::spawn(move || {
            let (n, answer): (u32, fiber::sync::oneshot::Sender<u32>) = asked.recv().unwrap();
            answer.send(n * 2).unwrap();
        });
        let (answer, answered) = channel();
        question.send((21, answer)).unwrap();
        assert_eq!(answered.recv(), Ok(42));
        join();
    });
}

#[test]
fn a_receiver_that_is_cancelled_tells_the_sender() {
    runtime(1).run(|| {
        let (sender, receiver) = channel::<u8>();
        let fiber = fiber::spawn(move || receiver.recv());
        until_waiting(&here(), &fiber.fiber(), Reason::Receive);
        fiber.cancel();
        sender.closed();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(sender.send(1), Err(SendError(1)));
    });
}

#[test]
fn a_message_that_meets_a_cancellation_has_one_owner() {
    let runtime = runtime(2);
    for round in 0..300 {
        let (sender, receiver) = channel();
        let (sent, received) = runtime.run(|| {
            let fiber = fiber::spawn(move || receiver.recv().unwrap());
            (0..round % 5).for_each(|_| fiber::yield_now());
            let sent = if round % 2 == 0 {
                let sent = sender.send(round);
                fiber.cancel();
                sent
            } else {
                fiber.cancel();
                sender.send(round)
            };
            (sent.is_ok(), fiber.join())
        });
        match received {
            Ok(message) => assert!(sent && message == round),
            // Cancelled before it was handed over; or before the fiber began, with the message in the channel.
            Err(error) => assert!(error.is_cancelled()),
        }
    }
}

#[test]
fn a_time_limit_ends_the_wait_for_the_receiver_to_go() {
    runtime(1).run(|| {
        let (sender, receiver) = channel();
        for _ in 0..50 {
            assert!(timeout(Duration::from_micros(20), || sender.closed()).is_err());
        }
        sender.send(1).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn a_sender_that_waits_shows_for_what() {
    runtime(1).run(|| {
        let (sender, receiver) = channel::<u8>();
        let fiber = fiber::spawn(move || sender.closed());
        until_waiting(&here(), &fiber.fiber(), Reason::Closed);
        drop(receiver);
        fiber.join().unwrap();
    });
}
