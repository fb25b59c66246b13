#![cfg(not(loom))]
//! `block_on`, on fibers and threads; what of ours can be awaited, under an executor that polls by hand too; futures that are dropped when they
//! were served already.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Count, LONG, Random, here, runtime, until_waiting};
use everywhere::Place;
use fiber::runtime::Reason;
use fiber::sync::mpmc::{TryRecvError, TrySendError, channel, sync_channel};
use fiber::sync::{Notify, broadcast, oneshot, watch};
use fiber::time::{Duration, timeout};
use fiber::{CancelReason, CancelToken, block_on};
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

everywhere! {
    messages_are_awaited
    a_future_that_is_woken_late_early_and_twice
    one_waits_in_async_code_and_one_does_not
    futures_that_are_dropped_lose_nothing
}

/// Counts how often it was used.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Gives way to others once.
async fn give_way() {
    let mut turns = 0;
    std::future::poll_fn(|context| {
        turns += 1;
        context.waker().wake_by_ref();
        if turns == 2 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn messages_are_awaited<P: Place>() {
    P::run(|| {
        let ((questions, asked), (answers, answered)) = (sync_channel(0), sync_channel(1));
        let peer = P::spawn(move || {
            block_on(async {
                let mut sum = 0;
                while let Ok(n) = asked.recv_async().await {
                    give_way().await;
                    answers.send_async(n * 2).await.unwrap();
                    sum += n;
                }
                sum
            })
        });
        let sum: i32 = block_on(async {
            let mut sum = 0;
            for n in 0..200 {
                questions.send_async(n).await.unwrap();
                sum += answered.recv_async().await.unwrap();
            }
            drop(questions);
            sum
        });
        assert_eq!((peer(), sum), (19900, 39800));
        assert!(block_on(answered.recv_async()).is_err());
    });
}

fn a_future_that_is_woken_late_early_and_twice<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel::<Waker>();
        let done = Count::new();
        let peer = P::spawn({
            let done = done.clone();
            move || {
                let mut wakers = Vec::new();
                while let Ok(waker) = receiver.recv() {
                    waker.wake_by_ref();
                    P::pause();
                    done.add();
                    waker.wake_by_ref();
                    waker.wake_by_ref();
                    wakers.push(waker);
                }
                // All of these futures are gone.
                wakers.into_iter().for_each(Waker::wake);
            }
        });
        for n in 0..5 {
            block_on(std::future::poll_fn(|context| {
                if done.get() > n {
                    return Poll::Ready(());
                }
                let _ = sender.send(context.waker().clone());
                Poll::Pending
            }));
        }
        drop(sender);
        peer();
    });
}

fn one_waits_in_async_code_and_one_does_not<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        let taken = Arc::new(AtomicUsize::new(0));
        let peers: Vec<_> = (0..4)
            .map(|n| {
                let (receiver, taken) = (receiver.clone(), taken.clone());
                P::spawn(move || {
                    while let Ok(message) = if n % 2 == 0 { receiver.recv() } else { block_on(receiver.recv_async()) } {
                        taken.fetch_add(message, SeqCst);
                    }
                })
            })
            .collect();
        (1..=200).for_each(|n| sender.send(n).unwrap());
        drop(sender);
        peers.into_iter().for_each(|peer| peer());
        assert_eq!(taken.load(SeqCst), 20100);
    });
}

fn futures_that_are_dropped_lose_nothing<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel();
        let peer = P::spawn(move || (0..300).for_each(|_| sender.send(1).unwrap()));
        let mut random = Random::seeded(3);
        let mut got = 0;
        let mut open = true;
        while open {
            let mut future = pin!(receiver.recv_async());
            for _ in 0..random.below(3) {
                match poll_once(future.as_mut()) {
                    Poll::Pending => fiber::yield_now(),
                    Poll::Ready(Ok(n)) => {
                        got += n;
                        break;
                    }
                    Poll::Ready(Err(_)) => {
                        open = false;
                        break;
                    }
                }
            }
        }
        assert_eq!(got, 300);
        peer();
    });
}

#[test]
fn what_a_dropped_future_was_handed_goes_to_the_next() {
    let (sender, receiver) = channel();
    {
        let mut first = pin!(receiver.recv_async());
        let mut second = pin!(receiver.recv_async());
        assert!(poll_once(first.as_mut()).is_pending() && poll_once(second.as_mut()).is_pending());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        sender.send(3).unwrap();
    }
    let mut left: Vec<_> = receiver.try_iter().collect();
    left.sort();
    assert_eq!(left, [1, 2, 3]);

    // To one who waits.
    let mut waits = Box::pin(receiver.recv_async());
    {
        let mut first = Box::pin(receiver.recv_async());
        assert!(poll_once(first.as_mut()).is_pending() && poll_once(waits.as_mut()).is_pending());
        sender.send(4).unwrap();
    }
    assert_eq!(poll_once(waits.as_mut()), Poll::Ready(Ok(4)));
    drop(waits);

    // A rendezvous that was taken back stays one: the message is there, and no other sender gets past it.
    let (sender, receiver) = sync_channel(0);
    {
        let mut future = pin!(receiver.recv_async());
        assert!(poll_once(future.as_mut()).is_pending());
        sender.try_send(5).unwrap();
    }
    assert_eq!(sender.try_send(6), Err(TrySendError::Full(6)));
    let mut sending = pin!(sender.send_async(7));
    assert!(poll_once(sending.as_mut()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(5));
    assert!(poll_once(sending.as_mut()).is_pending(), "nobody has taken it yet");
    assert_eq!(receiver.try_recv(), Ok(7));
    assert_eq!(poll_once(sending.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));

    let notify = Notify::new();
    {
        let mut future = pin!(notify.notified_async());
        assert!(poll_once(future.as_mut()).is_pending());
        notify.notify_one();
    }
    assert!(notify.notified_timeout(Duration::ZERO));

    let (sender, mut receiver) = oneshot::channel();
    {
        let mut future = pin!(receiver.recv_async());
        assert!(poll_once(future.as_mut()).is_pending());
        sender.send(8).unwrap();
    }
    assert_eq!(receiver.recv(), Ok(8));
}

#[test]
fn a_dropped_send_is_not_sent() {
    let dropped = Count::new();
    let (sender, receiver) = sync_channel(0);
    {
        let mut future = pin!(sender.send_async(dropped.on_drop()));
        assert!(poll_once(future.as_mut()).is_pending());
        assert_eq!(dropped.get(), 0);
    }
    assert_eq!(dropped.get(), 1);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn the_latest_waker_counts() {
    let (sender, receiver) = channel();
    let counters = [(); 2].map(|()| Arc::new(Counter::default()));
    let wakers = counters.each_ref().map(|counter| Waker::from(counter.clone()));
    let mut future = pin!(receiver.recv_async());
    for waker in &wakers {
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    sender.send(1).unwrap();
    assert_eq!(counters.map(|counter| counter.0.load(SeqCst)), [0, 1]);
    assert_eq!(poll_once(future), Poll::Ready(Ok(1)));
}

#[test]
fn everything_that_can_be_awaited() {
    runtime(2).run(|| {
        let (all, mut each) = broadcast::channel(4);
        let (value, mut watcher) = watch::channel(0);
        let (answer, mut question) = oneshot::channel();
        let (notify, token) = (Arc::new(Notify::new()), CancelToken::new());
        let peer = fiber::spawn({
            let (notify, token) = (notify.clone(), token.clone());
            move || {
                fiber::time::sleep(Duration::from_millis(1));
                (1..=3).for_each(|n| drop(all.send(n.to_string())));
                value.send(1).unwrap();
                answer.send(2).unwrap();
                notify.notify_one();
                token.cancel();
            }
        });
        block_on(async {
            for n in 1..=3 {
                assert_eq!(each.recv_async().await, Ok(n.to_string()));
            }
            assert_eq!(each.recv_async().await, Err(broadcast::RecvError::Closed));
            assert_eq!(watcher.changed_async().await, Ok(()));
            assert_eq!(question.recv_async().await, Ok(2));
            notify.notified_async().await;
            assert_eq!(token.cancelled_async().await, CancelReason::User);
            assert!(fiber::spawn(|| panic!("on purpose")).await.is_err_and(|error: fiber::JoinError| error.is_panic()));
            peer.await.unwrap();
        });
    });
}

#[test]
fn only_the_fiber_waits() {
    runtime(1).run(|| {
        let (sender, receiver) = channel();
        let waits = fiber::spawn(move || block_on(receiver.recv_async()));
        until_waiting(&here(), &waits.fiber(), Reason::Future);
        sender.send(1).unwrap();
        assert_eq!(waits.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_cancelled_fiber_drops_its_future() {
    runtime(2).run(|| {
        let dropped = Count::new();
        let waits = fiber::spawn({
            let guard = dropped.on_drop();
            move || {
                block_on(async {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                })
            }
        });
        until_waiting(&here(), &waits.fiber(), Reason::Future);
        waits.cancel();
        assert!(waits.join().unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
        assert!(timeout(Duration::from_millis(1), || block_on(std::future::pending::<()>())).is_err());
        assert_eq!(timeout(LONG, || block_on(async { 1 })), Ok(1));
    });
}

#[test]
fn a_join_that_is_dropped_detaches() {
    runtime(1).run(|| {
        let (sender, receiver) = channel::<()>();
        let ended = Count::new();
        let fiber = fiber::spawn({
            let ended = ended.clone();
            move || {
                let _ = receiver.recv();
                ended.add();
            }
        });
        {
            let mut future = pin!(fiber.into_future());
            assert!(poll_once(future.as_mut()).is_pending());
            assert!(poll_once(future.as_mut()).is_pending());
        }
        drop(sender);
        common::eventually("it has ended", || ended.get() == 1);
    });
}

#[test]
fn futures_are_send_where_their_messages_are() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (sender, receiver) = channel::<u8>();
    let notify = Notify::new();
    drop((is_send(receiver.recv_async()), is_send(sender.send_async(1)), is_send(notify.notified_async())));
}
