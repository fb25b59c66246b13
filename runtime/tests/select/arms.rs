//! Exactly one arm happens; the others leave no trace.

use crate::common::{Count, here, runtime, until_waiting};
use crate::everywhere::Place;
use fiber::runtime::Reason;
use fiber::select;
use fiber::select::Select;
use fiber::sync::{Notify, broadcast, mpmc, mpsc, oneshot, watch};
use fiber::time::after;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

everywhere! {
    what_lost_at_once_is_still_there
    what_lost_after_a_wait_is_still_there
    a_line_is_left_when_another_arm_happens
    a_message_that_was_not_sent_is_dropped
    an_event_by_reference_keeps_its_message
    two_events_of_one_channel
}

/// Everything that could happen but did not, because the first was preferred.
fn what_lost_at_once_is_still_there<P: Place>() {
    P::run(|| {
        let first = Notify::new();
        let (sender, receiver) = mpsc::channel();
        let (room, taken) = mpmc::sync_channel(1);
        let (answer, mut question) = oneshot::channel();
        let (all, mut each) = broadcast::channel(4);
        let (value, mut watcher) = watch::channel(0);
        let second = Notify::new();
        sender.send(1).unwrap();
        answer.send(2).unwrap();
        all.send(3).unwrap();
        value.send(4).unwrap();
        second.notify_one();
        for _ in 0..3 {
            first.notify_one();
            select! {
                biased;
                () = first.notified() => {}
                _ = receiver.recv() => unreachable!(),
                _ = room.send(9) => unreachable!(),
                _ = question.recv() => unreachable!(),
                _ = each.recv() => unreachable!(),
                _ = watcher.changed() => unreachable!(),
                () = second.notified() => unreachable!(),
                () = after(Duration::ZERO) => unreachable!(),
            }
        }
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(taken.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(question.recv(), Ok(2));
        assert_eq!(each.try_recv(), Ok(3));
        assert_eq!(watcher.has_changed(), Ok(true));
        assert!(second.notified_timeout(Duration::ZERO));
        assert!(!first.notified_timeout(Duration::ZERO));
    });
}

/// The same, after it waited for all of them.
fn what_lost_after_a_wait_is_still_there<P: Place>() {
    P::run(|| {
        for _ in 0..20 {
            let (sender, receiver) = mpsc::channel();
            let (all, mut each) = broadcast::channel(4);
            let (value, mut watcher) = watch::channel(0);
            let (answer, mut question) = oneshot::channel();
            let notify = Arc::new(Notify::new());
            let peer = P::spawn({
                let notify = notify.clone();
                move || {
                    P::pause();
                    sender.send(1).unwrap();
                    all.send(2).unwrap();
                    value.send(3).unwrap();
                    answer.send(4).unwrap();
                    notify.notify_one();
                    (sender, all, value)
                }
            });
            let mut happened = [false; 5];
            select! {
                message = receiver.recv() => happened[0] = message == Ok(1),
                message = each.recv() => happened[1] = message == Ok(2),
                changed = watcher.changed() => happened[2] = changed == Ok(()),
                answer = question.recv() => happened[3] = answer == Ok(4),
                () = notify.notified() => happened[4] = true,
            }
            let _ends = peer();
            let answered = std::mem::replace(&mut happened[3], false);
            let left = [
                receiver.try_recv().is_ok(),
                each.try_recv().is_ok(),
                watcher.has_changed().unwrap(),
                !answered && question.recv() == Ok(4),
                notify.notified_timeout(Duration::ZERO),
            ];
            happened[3] = answered;
            assert_eq!(happened.map(|happened| !happened), left);
            assert_eq!(happened.iter().filter(|&&happened| happened).count(), 1);
        }
    });
}

/// Who waits in a line and gets something elsewhere is not in the line any more.
fn a_line_is_left_when_another_arm_happens<P: Place>() {
    P::run(|| {
        let (sender, receiver) = mpmc::sync_channel::<u8>(0);
        let (other_sender, other) = mpsc::channel::<u8>();
        let notify = Arc::new(Notify::new());
        let peer = P::spawn(move || {
            P::pause();
            other_sender.send(1).unwrap();
        });
        select! {
            _ = receiver.recv() => unreachable!(),
            _ = sender.send(1) => unreachable!("not to itself"),
            () = notify.notified() => unreachable!(),
            message = other.recv() => assert_eq!(message, Ok(1)),
        }
        peer();
        assert!(sender.try_send(2).is_err(), "no receiver waits");
        assert!(receiver.try_recv().is_err(), "no sender waits");
        notify.notify_one();
        assert!(notify.notified_timeout(Duration::ZERO), "it lies there");
    });
}

fn a_message_that_was_not_sent_is_dropped<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = mpsc::sync_channel(0);
        select! {
            _ = sender.send(dropped.on_drop()) => unreachable!(),
            () = after(Duration::from_millis(1)) => assert_eq!(dropped.get(), 1, "before the body"),
        }
        select! {
            _ = sender.send(dropped.on_drop()) => unreachable!(),
            default => assert_eq!(dropped.get(), 2),
        }
        drop(receiver);
    });
}

fn an_event_by_reference_keeps_its_message<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = mpsc::sync_channel(0);
        let mut sending = sender.send_event(dropped.on_drop());
        for _ in 0..3 {
            select! {
                _ = &mut sending => unreachable!(),
                () = after(Duration::from_micros(200)) => {}
            }
        }
        assert_eq!(dropped.get(), 0);
        let peer = P::spawn(move || drop(receiver.recv().unwrap()));
        select! {
            result = &mut sending => assert!(result.is_ok()),
        }
        peer();
        assert_eq!(dropped.get(), 1);
    });
}

fn two_events_of_one_channel<P: Place>() {
    P::run(|| {
        let (sender, receiver) = mpmc::sync_channel(0);
        let peer = P::spawn(move || (0..50).for_each(|n| sender.send(n).unwrap()));
        for n in 0..50 {
            let message = select! {
                message = receiver.recv() => message,
                message = receiver.recv() => message,
            };
            assert_eq!(message, Ok(n));
        }
        peer();
    });
}

#[test]
fn a_dump_says_that_it_selects() {
    runtime(1).run(|| {
        let (sender, receiver) = mpsc::channel::<u8>();
        let fiber = fiber::spawn(move || {
            select! {
                message = receiver.recv() => message,
                () = after(Duration::from_secs(1000)) => Ok(0),
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Select);
        sender.send(1).unwrap();
        assert_eq!(fiber.join().unwrap(), Ok(1));
    });
}

#[test]
fn as_many_arms_as_there_are() {
    runtime(2).run(|| {
        let channels: Vec<_> = (0..200).map(|_| mpsc::sync_channel(0)).collect();
        let mut left: Vec<usize> = (0..channels.len()).collect();
        let senders: Vec<_> = channels
            .iter()
            .enumerate()
            .map(|(number, (sender, _))| {
                let sender = sender.clone();
                fiber::spawn(move || sender.send(number).unwrap())
            })
            .collect();
        while !left.is_empty() {
            let mut select = Select::new();
            for &number in &left {
                select = select.arm(&channels[number].1, move |message| (number, message));
            }
            let (number, message) = select.wait();
            assert_eq!(message, Ok(number));
            left.retain(|&other| other != number);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn the_function_form_waits_as_long_as_it_is_told() {
    let notify = Notify::new();
    let select = || Select::new().arm(&notify, |()| 1).arm(after(Duration::from_secs(1000)), |()| 2);
    assert_eq!(select().try_wait(), None);
    assert_eq!(select().wait_timeout(Duration::from_millis(1)), None);
    assert_eq!(select().wait_deadline(std::time::Instant::now()), None);
    assert_eq!(Select::<()>::new().wait_timeout(Duration::from_millis(1)), None);
    notify.notify_one();
    assert_eq!(select().wait_timeout(Duration::MAX), Some(1));
    let past = || after(Duration::ZERO);
    assert!((0..50).all(|_| Select::new().biased().arm(past(), |()| true).arm(past(), |()| false).wait()));
    assert!(!format!("{:?}", Select::new().arm(past(), |()| ())).is_empty());
}
