//! A wait that is cut short, by cancellation or a time limit, leaves no trace and loses nothing.

use crate::common::{Count, Random, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::select;
use fiber::sync::{Notify, mpmc, mpsc};
use fiber::time::{after, sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn a_cancelled_fiber_leaves_every_line() {
    runtime(2).run(|| {
        let dropped = Count::new();
        let (sender, receiver) = mpmc::sync_channel::<u8>(0);
        let (room, taken) = mpmc::sync_channel(0);
        let notify = Arc::new(Notify::new());
        let fiber = fiber::spawn({
            let (receiver, room, notify, dropped) = (receiver.clone(), room.clone(), notify.clone(), dropped.clone());
            move || {
                let mut child = fiber::spawn(fiber::park);
                select! {
                    _ = receiver.recv() => unreachable!(),
                    _ = room.send(dropped.on_drop()) => unreachable!(),
                    () = notify.notified() => unreachable!(),
                    _ = child.join() => unreachable!(),
                    () = after(Duration::from_secs(1000)) => unreachable!(),
                }
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Select);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
        assert!(sender.try_send(1).is_err());
        assert!(taken.try_recv().is_err());
        notify.notify_one();
        assert!(notify.notified_timeout(Duration::ZERO));
    });
}

#[test]
fn a_cancelled_fiber_still_takes_what_is_there() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().cancel();
            let (sender, receiver) = mpsc::channel();
            sender.send(1).unwrap();
            let there = select! { message = receiver.recv() => message };
            assert_eq!(there, Ok(1));
            select! { message = receiver.recv() => { message.unwrap(); } }
            unreachable!("the wait ends by unwinding");
        });
        assert!(fiber.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_time_limit_around_it() {
    runtime(1).run(|| {
        let (_sender, receiver) = mpsc::channel::<u8>();
        let limited = timeout(Duration::from_millis(1), || {
            select! {
                message = receiver.recv() => { message.unwrap(); }
                () = after(Duration::from_secs(1000)) => {}
            }
        });
        assert!(limited.is_err());
    });
}

/// Waiters in two lines are cancelled while messages come: each message is received once, or still there.
#[test]
fn a_race_of_cancellation_and_messages_loses_none() {
    runtime(2).run(|| {
        let mut random = Random::seeded(7);
        let received = Arc::new(AtomicUsize::new(0));
        let channels = [mpmc::channel(), mpmc::channel()];
        let mut sent = 0;
        for _ in 0..300 {
            let fiber = fiber::spawn({
                let receivers = channels.each_ref().map(|(_, receiver)| receiver.clone());
                let received = received.clone();
                move || loop {
                    let message: Result<usize, _> = select! {
                        message = receivers[0].recv() => message,
                        message = receivers[1].recv() => message,
                    };
                    received.fetch_add(message.unwrap(), SeqCst);
                }
            });
            let sender = fiber::spawn({
                let senders = channels.each_ref().map(|(sender, _)| sender.clone());
                move || (0..4).for_each(|n| senders[n % 2].send(1).unwrap())
            });
            sent += 4;
            if random.below(2) == 0 {
                sleep(Duration::from_micros(random.below(30)));
            }
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
            sender.join().unwrap();
        }
        let left: usize = channels.iter().flat_map(|(_, receiver)| receiver.try_iter()).sum();
        assert_eq!(received.load(SeqCst) + left, sent);
    });
}
