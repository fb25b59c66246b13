//! Each kind of event: that it happens, also to one who waits; and that it leaves no trace when another did.

use crate::common::{Count, runtime};
use crate::everywhere::Place;
use fiber::select;
use fiber::select::Select;
use fiber::sync::{Notify, broadcast, mpmc, mpsc, oneshot, watch};
use fiber::time::{after, at};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, SendError, TryRecvError};
use std::task::Poll;
use std::time::{Duration, Instant};

everywhere! {
    a_message_that_comes
    room_that_comes
    a_meeting
    the_end_of_a_channel
    one_answer
    a_broadcast_message
    a_changed_value
    the_other_end_goes
    a_notification
    all_are_notified
    a_time
    a_poll
    a_future_that_waits_for_somebody
    a_fiber_that_ends
}

fn never() -> mpsc::Receiver<u8> {
    let (sender, receiver) = mpsc::channel();
    // Its end never comes.
    std::mem::forget(sender);
    receiver
}

fn a_message_that_comes<P: Place>() {
    P::run(|| {
        let (never, (sender, receiver)) = (never(), mpsc::channel());
        for pause in [false, true] {
            let sender = sender.clone();
            let peer = P::spawn(move || {
                if pause {
                    P::pause();
                }
                sender.send(7).unwrap();
            });
            select! {
                _ = never.recv() => unreachable!(),
                message = receiver.recv() => assert_eq!(message, Ok(7)),
            }
            peer();
        }
    });
}

fn room_that_comes<P: Place>() {
    P::run(|| {
        let (never, (sender, receiver)) = (never(), mpsc::sync_channel(1));
        sender.send(1).unwrap();
        let peer = P::spawn(move || {
            P::pause();
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(receiver.recv(), Ok(2));
        });
        select! {
            _ = never.recv() => unreachable!(),
            result = sender.send(2) => assert_eq!(result, Ok(())),
        }
        peer();
    });
}

fn a_meeting<P: Place>() {
    P::run(|| {
        let (never, (sender, receiver)) = (never(), mpmc::sync_channel(0));
        let peer = P::spawn({
            let (sender, receiver) = (sender.clone(), receiver.clone());
            move || {
                P::pause();
                sender.send(1).unwrap();
                assert_eq!(receiver.recv(), Ok(2));
            }
        });
        select! {
            _ = never.recv() => unreachable!(),
            message = receiver.recv() => assert_eq!(message, Ok(1)),
        }
        select! {
            _ = never.recv() => unreachable!(),
            result = sender.send(2) => assert_eq!(result, Ok(())),
        }
        peer();
    });
}

fn the_end_of_a_channel<P: Place>() {
    P::run(|| {
        let never = never();
        let (sender, receiver) = mpsc::sync_channel::<u8>(1);
        let peer = P::spawn(move || {
            P::pause();
            drop(sender);
        });
        for _ in 0..2 {
            select! {
                _ = never.recv() => unreachable!(),
                message = receiver.recv() => assert_eq!(message, Err(RecvError)),
            }
        }
        peer();
        let (sender, receiver) = mpsc::sync_channel(0);
        let peer = P::spawn(move || {
            P::pause();
            drop(receiver);
        });
        for message in 0..2 {
            select! {
                _ = never.recv() => unreachable!(),
                result = sender.send(message) => assert_eq!(result, Err(SendError(message))),
            }
        }
        peer();
    });
}

fn one_answer<P: Place>() {
    P::run(|| {
        let never = never();
        for sends in [true, false] {
            let (sender, mut receiver) = oneshot::channel();
            let peer = P::spawn(move || {
                P::pause();
                if sends {
                    sender.send(3).unwrap();
                }
            });
            select! {
                _ = never.recv() => unreachable!(),
                answer = receiver.recv() => assert_eq!(answer.ok(), sends.then_some(3)),
            }
            peer();
        }
    });
}

fn a_broadcast_message<P: Place>() {
    P::run(|| {
        let never = never();
        let (sender, mut receiver) = broadcast::channel(2);
        let peer = P::spawn(move || {
            P::pause();
            (1..=3).for_each(|message| {
                let _ = sender.send(message);
            });
        });
        let mut next = || {
            select! {
                _ = never.recv() => unreachable!(),
                message = receiver.recv() => message,
            }
        };
        let mut received = Vec::new();
        loop {
            match next() {
                Ok(message) => received.push(message),
                Err(broadcast::RecvError::Lagged(lost)) => received.extend(1..=lost),
                Err(broadcast::RecvError::Closed) => break,
            }
        }
        assert_eq!(received, [1, 2, 3]);
        peer();
    });
}

fn a_changed_value<P: Place>() {
    P::run(|| {
        let never = never();
        let (sender, mut receiver) = watch::channel(0);
        let peer = P::spawn(move || {
            P::pause();
            sender.send(1).unwrap();
        });
        select! {
            _ = never.recv() => unreachable!(),
            changed = receiver.changed() => assert_eq!((changed, *receiver.borrow()), (Ok(()), 1)),
        }
        select! {
            _ = never.recv() => unreachable!(),
            changed = receiver.changed() => assert_eq!(changed, Err(RecvError)),
        }
        peer();
    });
}

fn the_other_end_goes<P: Place>() {
    P::run(|| {
        let never = never();
        let (sender, receiver) = oneshot::channel::<u8>();
        let (watched, watcher) = watch::channel(0);
        let peer = P::spawn(move || {
            P::pause();
            drop(receiver);
            P::pause();
            drop(watcher);
        });
        select! {
            _ = never.recv() => unreachable!(),
            () = sender.closed() => assert!(sender.is_closed()),
        }
        select! {
            _ = never.recv() => unreachable!(),
            () = watched.closed() => assert!(watched.is_closed()),
        }
        peer();
    });
}

fn a_notification<P: Place>() {
    P::run(|| {
        let (never, notify) = (never(), Arc::new(Notify::new()));
        for pause in [false, true] {
            let peer = P::spawn({
                let notify = notify.clone();
                move || {
                    if pause {
                        P::pause();
                    }
                    notify.notify_one();
                }
            });
            select! {
                _ = never.recv() => unreachable!(),
                () = notify.notified() => {}
            }
            assert!(!notify.notified_timeout(Duration::ZERO), "it was one");
            peer();
        }
    });
}

fn all_are_notified<P: Place>() {
    P::run(|| {
        let notify = Arc::new(Notify::new());
        let done = Count::new();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (notify, done) = (notify.clone(), done.clone());
                P::spawn(move || {
                    let never = never();
                    select! {
                        _ = never.recv() => unreachable!(),
                        () = notify.notified() => done.add(),
                    }
                })
            })
            .collect();
        while done.get() < 4 {
            notify.notify_waiters();
            fiber::time::sleep(Duration::from_micros(50));
        }
        waiters.into_iter().for_each(|waiter| waiter());
        assert!(!notify.notified_timeout(Duration::ZERO), "nothing is left for others");
    });
}

fn a_time<P: Place>() {
    P::run(|| {
        let never = never();
        let begin = Instant::now();
        select! {
            _ = never.recv() => unreachable!(),
            () = after(Duration::from_secs(1000)) => unreachable!(),
            () = at(begin + Duration::from_millis(3)) => assert!(begin.elapsed() >= Duration::from_millis(3)),
            () = after(Duration::MAX) => unreachable!(),
        }
        // One that is past happens whenever it is asked.
        let mut past = at(begin);
        for _ in 0..3 {
            select! {
                () = &mut past => {}
                default => unreachable!(),
            }
        }
        // One limit for a loop.
        let (mut limit, mut turns) = (after(Duration::from_millis(5)), 0);
        loop {
            select! {
                () = &mut limit => break,
                () = after(Duration::from_micros(100)) => turns += 1,
            }
        }
        assert!(turns > 0 || begin.elapsed() > Duration::from_millis(5));
    });
}

fn a_poll<P: Place>() {
    P::run(|| {
        let never = never();
        // One that is ready when it has been asked three times, and wants to be asked again.
        let mut asked = 0;
        select! {
            _ = never.recv() => unreachable!(),
            asked = select::poll_fn(|context| {
                asked += 1;
                context.waker().wake_by_ref();
                if asked == 3 { Poll::Ready(asked) } else { Poll::Pending }
            }) => assert_eq!(asked, 3),
        }
        // One that is woken from elsewhere.
        let (sender, receiver) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel::<()>();
        let mut sender = Some(sender);
        let peer = P::spawn(move || {
            let waker: std::task::Waker = receiver.recv().unwrap();
            P::pause();
            drop(ready);
            waker.wake();
        });
        select! {
            _ = never.recv() => unreachable!(),
            () = select::poll_fn(|context| {
                if let Some(sender) = sender.take() {
                    sender.send(context.waker().clone()).unwrap();
                }
                if is_ready.try_recv() == Err(TryRecvError::Disconnected) { Poll::Ready(()) } else { Poll::Pending }
            }) => {}
        }
        peer();
    });
}

fn a_future_that_waits_for_somebody<P: Place>() {
    P::run(|| {
        let (sender, receiver) = mpsc::channel();
        let never = never();
        let peer = P::spawn(move || {
            let waker: std::task::Waker = receiver.recv().unwrap();
            P::pause();
            waker.wake();
        });
        let mut turn = 0;
        let future = pin!(std::future::poll_fn(move |context| {
            turn += 1;
            match turn {
                1 => {
                    sender.send(context.waker().clone()).unwrap();
                    Poll::Pending
                }
                _ => Poll::Ready(turn),
            }
        }));
        select! {
            _ = never.recv() => unreachable!(),
            turns = select::future(future) => assert_eq!(turns, 2),
        }
        peer();
    });
}

fn a_fiber_that_ends<P: Place>() {
    // Also where the body runs on a thread: then it needs a runtime to have a fiber of.
    let other = runtime(1);
    let handle = other.handle();
    P::run(move || {
        let never = never();
        let (sender, receiver) = mpsc::channel::<()>();
        let mut slow = handle.spawn(move || receiver.recv().is_err());
        let mut quick = handle.spawn(|| 5);
        select! {
            _ = never.recv() => unreachable!(),
            _ = slow.join() => unreachable!(),
            result = quick.join() => assert_eq!(result.unwrap(), 5),
        }
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| quick.join())).is_err(), "it is used up");
        drop(sender);
        select! {
            _ = never.recv() => unreachable!(),
            result = slow.join() => assert!(result.unwrap()),
        }
        let mut unlucky = handle.spawn(|| std::panic::resume_unwind(Box::new("bad luck")));
        let error = Select::new().arm(&mut unlucky, |result: Result<(), _>| result.unwrap_err()).wait();
        assert!(error.is_panic());
    });
}

#[test]
fn joins_of_all_three_handles() {
    runtime(2).run(|| {
        let mut local = fiber::spawn_local(|| 1);
        let mut free = fiber::spawn(|| 2);
        fiber::scope(|scope| {
            let mut scoped = scope.spawn(|| 3);
            let mut sum = 0;
            let (mut a, mut b, mut c) = (true, true, true);
            while a || b || c {
                select! {
                    one = local.join(), if a => { a = false; sum += one.unwrap() }
                    two = free.join(), if b => { b = false; sum += two.unwrap() }
                    three = scoped.join(), if c => { c = false; sum += three.unwrap() }
                }
            }
            assert_eq!(sum, 6);
        });
    });
}

#[test]
fn a_join_that_lost_can_be_joined() {
    runtime(1).run(|| {
        let (sender, receiver) = mpsc::channel::<()>();
        let mut fiber = fiber::spawn(move || {
            let _ = receiver.recv();
        });
        for _ in 0..3 {
            select! {
                _ = fiber.join() => unreachable!(),
                () = after(Duration::from_micros(100)) => {}
            }
        }
        sender.send(()).unwrap();
        fiber.join().unwrap();
    });
}
