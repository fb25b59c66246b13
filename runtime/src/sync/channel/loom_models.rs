//! Models of futures, which may be dropped when somebody has just served them.

use super::Channel;
use loom::thread;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Polls once and drops; the message that it got.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A message comes to a future that is being dropped: it is received, or it is there for the next.
#[test]
fn loom_channel_a_dropped_future_passes_its_message_on() {
    loom::model(|| {
        let channel = Channel::new(None);
        let sender = thread::spawn({
            let channel: Arc<Channel<u8>> = channel.clone();
            move || assert!(channel.send(7, None).is_ok())
        });
        let received = poll_once(channel.recv_async()).and_then(Result::ok);
        sender.join().unwrap();
        assert_eq!(received.or_else(|| channel.try_recv().ok()), Some(7));
        assert!(channel.try_recv().is_err());
    });
}

/// Two futures, one of which is dropped: the message is one's, whoever was first in line.
#[test]
fn loom_channel_two_futures_and_one_message() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let channel = Channel::new(None);
        let clone = || -> Arc<Channel<u8>> { channel.clone() };
        let (for_sender, for_other) = (clone(), clone());
        let sender = thread::spawn(move || assert!(for_sender.send(7, None).is_ok()));
        let other = thread::spawn(move || poll_once(for_other.recv_async()).and_then(Result::ok));
        let received = poll_once(channel.recv_async()).and_then(Result::ok);
        let all = [received, other.join().unwrap()];
        sender.join().unwrap();
        let left = channel.try_recv().ok();
        assert_eq!(all.into_iter().chain([left]).flatten().collect::<Vec<_>>(), [7]);
    });
}

/// A message is taken from a future that is being dropped, or is dropped with it, and not both.
#[test]
fn loom_channel_a_dropped_send_was_taken_or_is_not_sent() {
    loom::model(|| {
        let channel = Channel::new(Some(0));
        let token = Arc::new(());
        let receiver = thread::spawn({
            let channel: Arc<Channel<Arc<()>>> = channel.clone();
            move || channel.try_recv().ok()
        });
        let sent = poll_once(channel.send_async(token.clone()));
        assert!(sent.is_none(), "nobody waits");
        let received = receiver.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1 + usize::from(received.is_some()));
        assert!(channel.try_recv().is_err());
    });
}

/// One receiver takes what has come to the front while another one looks, and more is sent: each message is received once, the older first,
/// and the length is never more than what is there.
#[test]
fn loom_channel_two_receivers_at_the_front() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let channel = Channel::new(None);
        assert!(channel.try_send(1).is_ok());
        let clone = || -> Arc<Channel<u8>> { channel.clone() };
        let (for_sender, for_other) = (clone(), clone());
        let sender = thread::spawn(move || assert!(for_sender.try_send(2).is_ok()));
        let other = thread::spawn(move || for_other.try_recv().ok());
        let first = channel.try_recv().ok();
        assert!(channel.len() <= 1);
        sender.join().unwrap();
        let second = other.join().unwrap();
        assert!(first.or(second) == Some(1) || second == Some(1));
        let left = std::iter::from_fn(|| channel.try_recv().ok());
        let mut all: Vec<_> = first.into_iter().chain(second).chain(left).collect();
        all.sort();
        assert_eq!((all, channel.len()), (vec![1, 2], 0));
    });
}
