//! Models of the whole: real channels, threads for waiters. In the order as written, as models must not throw dice. Nobody who waits
//! joins a thread: loom takes a wake that comes late for the end of a join.

use super::v1::{Arm, Event, event, first};
use crate::sync::mpmc::{Receiver, Sender, channel, sync_channel};
use crate::sync::{Notify, Semaphore, oneshot};
use loom::thread;
use std::sync::Arc;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(model);
}

/// Which of two events happened, and what each gave.
fn either<A: Event, B: Event>(mut a: A, mut b: B, wait: bool) -> (Option<A::Output>, Option<B::Output>) {
    let arms: &mut [&mut dyn Arm] = &mut [&mut a, &mut b];
    let happened = first(arms, true, wait);
    let outputs = (a.take(), b.take());
    assert_eq!(u8::from(outputs.0.is_some()) + u8::from(outputs.1.is_some()), u8::from(happened));
    outputs
}

fn received<T>(result: Option<Result<T, std::sync::mpsc::RecvError>>) -> usize {
    usize::from(result.is_some_and(|result| result.is_ok()))
}

/// Two messages come for one who takes the first: the other stays in its channel.
#[test]
fn loom_select_takes_one_message_and_leaves_the_other() {
    check(|| {
        let channels: [(Sender<u8>, Receiver<u8>); 2] = [channel(), channel()];
        let senders = channels.each_ref().map(|(sender, _)| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(7).unwrap())
        });
        let receivers = channels.each_ref().map(|(_, receiver)| receiver.clone());
        let taken = thread::spawn(move || {
            let (a, b) = either(event(&receivers[0]), event(&receivers[1]), true);
            received(a) + received(b)
        });
        let taken = taken.join().unwrap();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let left = channels.iter().filter(|(_, receiver)| receiver.try_recv().is_ok()).count();
        assert_eq!((taken, left), (1, 1));
    });
}

/// A rendezvous: a sender on one side, one who takes the first of two on the other, who need each other.
#[test]
fn loom_select_meets_a_sender_that_waits() {
    check(|| {
        let (sender, receiver) = sync_channel(0);
        let (_other, never) = channel::<u8>();
        let peer = thread::spawn(move || sender.send(7));
        let selects = thread::spawn(move || either(event(&receiver), event(&never), true));
        assert_eq!(selects.join().unwrap(), (Some(Ok(7)), None));
        assert_eq!(peer.join().unwrap(), Ok(()));
    });
}

/// Two who each want to send on one rendezvous and receive on the other, crosswise: exactly one message moves for both.
#[test]
fn loom_select_two_that_wait_for_each_other_agree() {
    check(|| {
        let (one, other) = (sync_channel(0), sync_channel(0));
        let (one_sender, other_receiver) = (one.0.clone(), other.1.clone());
        let peer = thread::spawn(move || {
            let (sent, got) = either(other_receiver.recv_event(), one_sender.send_event(1), true);
            (received(sent), usize::from(got.is_some_and(|sent| sent.is_ok())))
        });
        let here = thread::spawn(move || {
            let (sent, got) = either(other.0.send_event(2), one.1.recv_event(), true);
            (usize::from(sent.is_some_and(|sent| sent.is_ok())), received(got))
        });
        let here = here.join().unwrap();
        let there = peer.join().unwrap();
        assert!(matches!((here, there), ((1, 0), (1, 0)) | ((0, 1), (0, 1))), "{here:?} {there:?}");
    });
}

/// A message meets the other end's going: the waiter gets one of them, and no message is lost.
#[test]
fn loom_select_a_message_or_the_end() {
    check(|| {
        let (sender, mut receiver) = oneshot::channel();
        let (stop, stopped) = channel::<u8>();
        let peer = thread::spawn(move || {
            drop(stop);
            sender.send(7).is_ok()
        });
        let selects = thread::spawn(move || {
            let (message, _) = either(receiver.recv_event(), stopped.recv_event(), true);
            message.unwrap_or_else(|| receiver.recv())
        });
        assert_eq!(selects.join().unwrap(), Ok(7));
        assert!(peer.join().unwrap());
    });
}

/// A notification goes to one of two: to the one who would take a message as well, or, if that one took the message, to the other.
#[test]
fn loom_select_uses_up_no_notification_that_it_did_not_take() {
    check(|| {
        let (sender, receiver) = channel();
        let notify = Arc::new(Notify::new());
        // Makes the atomic before any thread starts.
        notify.notify_one();
        notify.notified();
        let peer = thread::spawn({
            let notify = notify.clone();
            move || {
                notify.notify_one();
                sender.send(7).unwrap();
            }
        });
        let selects = thread::spawn(move || match either(event(&receiver), event(&*notify), true) {
            (Some(message), None) => {
                assert_eq!(message, Ok(7));
                notify.notified();
            }
            (None, Some(())) => assert_eq!(receiver.recv(), Ok(7)),
            _ => unreachable!("one of them happens"),
        });
        selects.join().unwrap();
        peer.join().unwrap();
    });
}

/// One who asks for two permits takes a message instead: the one who waits behind it for one has that at once.
#[test]
fn loom_select_is_in_nobodys_way_at_a_semaphore() {
    check(|| {
        let (sender, receiver) = channel();
        let semaphore = Arc::new(Semaphore::new(1));
        // Makes the atomic before any thread starts.
        assert_eq!(semaphore.available_permits(), 1);
        let behind = thread::spawn({
            let semaphore = semaphore.clone();
            move || drop(semaphore.acquire())
        });
        let selects = thread::spawn({
            let semaphore = semaphore.clone();
            move || match either(semaphore.acquire_many_event(2), event(&receiver), true) {
                (None, Some(message)) => assert_eq!(message, Ok(7)),
                _ => unreachable!("there never are two permits"),
            }
        });
        sender.send(7).unwrap();
        selects.join().unwrap();
        behind.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// A permit goes to one who would take a message as well, or stays.
#[test]
fn loom_select_takes_a_permit_or_leaves_it() {
    check(|| {
        let (sender, receiver) = channel();
        let semaphore = Arc::new(Semaphore::new(0));
        // Makes the atomic before any thread starts.
        assert_eq!(semaphore.available_permits(), 0);
        let peer = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                semaphore.add_permits(1);
                sender.send(7).unwrap();
            }
        });
        let selects = thread::spawn({
            let semaphore = semaphore.clone();
            move || match either(event(&receiver), event(&*semaphore), true) {
                (Some(message), None) => assert_eq!(message, Ok(7)),
                (None, Some(permit)) => {
                    drop(permit);
                    assert_eq!(receiver.recv(), Ok(7));
                }
                _ => unreachable!("one of them happens"),
            }
        });
        selects.join().unwrap();
        peer.join().unwrap();
        assert_eq!(semaphore.try_acquire().map(|permit| permit.num_permits()), Some(1));
    });
}

/// Not waiting: of two channels of which one has a message at any time, one is seen with it.
#[test]
fn loom_select_sees_all_at_one_moment() {
    check(|| {
        let (one, other) = (channel(), channel());
        one.0.send(1).unwrap();
        let peer = thread::spawn({
            let (one, other) = (one.1.clone(), other.1.clone());
            // As written it looks at the other first, and at the one when that may be empty.
            move || either(event(&other), event(&one), false)
        });
        other.0.send(2).unwrap();
        let taken = one.1.try_recv().is_ok();
        let (from_other, from_one) = peer.join().unwrap();
        assert!(received(from_other) + received(from_one) == 1, "{taken}");
    });
}
