#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Channels behave as std's: the same tests run against both, and against ours between fibers, between threads, and mixed.

mod common;

use common::{Count, LONG, Random, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::mpsc::{Receiver, channel, sync_channel};
use fiber::time::{sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// The tests, for a `mpsc` module, and a `run` and a `spawn` that are in scope. `spawn` returns a closure that joins.
macro_rules! behaviour {
    () => {
        use super::Count;
        use std::time::{Duration, Instant};

        #[test]
        fn messages_come_in_order() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                let join = spawn(move || (0..1000).for_each(|n| sender.send(n).unwrap()));
                assert!((0..1000).all(|n| receiver.recv() == Ok(n)));
                assert_eq!(receiver.recv(), Err(mpsc::RecvError));
                join();
            });
        }

        #[test]
        fn each_sender_keeps_its_order() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(3);
                let joins: Vec<_> = (0..8)
                    .map(|sender_number| {
                        let sender = sender.clone();
                        spawn(move || (0..100).for_each(|n| sender.send((sender_number, n)).unwrap()))
                    })
                    .collect();
                drop(sender);
                let mut next = [0; 8];
                for (sender_number, n) in receiver {
                    assert_eq!(n, std::mem::replace(&mut next[sender_number], n + 1));
                }
                assert_eq!(next, [100; 8]);
                joins.into_iter().for_each(|join| join());
            });
        }

        #[test]
        fn what_was_sent_before_the_senders_went_is_received() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                let second = sender.clone();
                sender.send(1).unwrap();
                drop(sender);
                second.send(2).unwrap();
                drop(second);
                assert_eq!(receiver.try_recv(), Ok(1));
                assert_eq!(receiver.recv(), Ok(2));
                assert_eq!(receiver.recv(), Err(mpsc::RecvError));
                assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
                let timeout = Duration::from_secs(1000);
                assert_eq!(receiver.recv_timeout(timeout), Err(mpsc::RecvTimeoutError::Disconnected));
            });
        }

        #[test]
        fn a_receiver_that_waits_is_told_when_the_last_sender_goes() {
            run(|| {
                let (sender, receiver) = mpsc::channel::<()>();
                let join = spawn(move || receiver.recv());
                let second = sender.clone();
                drop(sender);
                pause();
                drop(second);
                assert_eq!(join(), Err(mpsc::RecvError));
            });
        }

        #[test]
        fn a_message_nobody_can_receive_comes_back() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                sender.send(Box::new(1)).unwrap();
                drop(receiver);
                assert_eq!(sender.send(Box::new(2)), Err(mpsc::SendError(Box::new(2))));
                for bound in [0, 1] {
                    let (sender, receiver) = mpsc::sync_channel(bound);
                    drop(receiver);
                    assert_eq!(sender.send("back"), Err(mpsc::SendError("back")));
                    assert_eq!(sender.try_send("back"), Err(mpsc::TrySendError::Disconnected("back")));
                }
            });
        }

        #[test]
        fn a_sender_that_waits_is_told_when_the_receiver_goes() {
            run(|| {
                for bound in [0, 1] {
                    let (sender, receiver) = mpsc::sync_channel(bound);
                    (0..bound).for_each(|_| sender.send(0).unwrap());
                    let joins: Vec<_> = (1..4)
                        .map(|n| {
                            let sender = sender.clone();
                            spawn(move || sender.send(n))
                        })
                        .collect();
                    pause();
                    drop(receiver);
                    let outcomes: Vec<_> = joins.into_iter().map(|join| join()).collect();
                    assert_eq!(outcomes, [1, 2, 3].map(|n| Err(mpsc::SendError(n))));
                }
            });
        }

        #[test]
        fn messages_left_in_a_channel_are_dropped() {
            run(|| {
                let dropped = Count::new();
                let (sender, receiver) = mpsc::channel();
                (0..5).for_each(|_| sender.send(dropped.on_drop()).unwrap());
                drop(receiver.recv());
                assert_eq!(dropped.get(), 1);
                drop(receiver);
                assert_eq!(dropped.get(), 5);
                assert!(sender.send(dropped.on_drop()).is_err());
                assert_eq!(dropped.get(), 6);
                let (sender, receiver) = mpsc::sync_channel(5);
                (0..5).for_each(|_| sender.send(dropped.on_drop()).unwrap());
                drop((sender, receiver));
                assert_eq!(dropped.get(), 11);
            });
        }

        #[test]
        fn iterators_end_when_they_should() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                (0..3).for_each(|n| sender.send(n).unwrap());
                assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
                assert_eq!(receiver.try_iter().next(), None);
                let join = spawn(move || {
                    (0..3).for_each(|n| {
                        pause();
                        sender.send(n).unwrap();
                    })
                });
                assert_eq!(receiver.iter().take(2).collect::<Vec<_>>(), [0, 1]);
                assert_eq!((&receiver).into_iter().collect::<Vec<_>>(), [2]);
                assert_eq!(receiver.into_iter().next(), None);
                join();
            });
        }

        #[test]
        fn a_bounded_channel_holds_its_bound() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(3);
                assert!((0..3).all(|n| sender.try_send(n).is_ok()));
                assert_eq!(sender.try_send(3), Err(mpsc::TrySendError::Full(3)));
                assert_eq!(receiver.recv(), Ok(0));
                assert_eq!(sender.try_send(3), Ok(()));
                let join = spawn(move || sender.send(4));
                assert!((1..5).all(|n| receiver.recv() == Ok(n)));
                assert_eq!(join(), Ok(()));
            });
        }

        #[test]
        fn a_bounded_channel_holds_its_senders_up() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(2);
                let sent = Count::new();
                let join = spawn({
                    let sent = sent.clone();
                    move || {
                        for n in 0..200 {
                            sender.send(n).unwrap();
                            sent.add();
                        }
                    }
                });
                for n in 0..200 {
                    assert!(sent.get() <= n + 3, "two in the channel, and one that was just made room for");
                    assert_eq!(receiver.recv(), Ok(n));
                }
                join();
            });
        }

        #[test]
        fn a_rendezvous_waits_for_the_receiver() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(0);
                assert_eq!(sender.try_send(9), Err(mpsc::TrySendError::Full(9)));
                let taken = Count::new();
                let join = spawn({
                    let taken = taken.clone();
                    move || {
                        for n in 0..100 {
                            sender.send(n).unwrap();
                            assert!(taken.get() >= n, "the sender went on before its message was taken");
                        }
                    }
                });
                for n in 0..100 {
                    assert_eq!(receiver.recv(), Ok(n));
                    taken.add();
                }
                assert!(receiver.recv().is_err());
                join();
            });
        }

        #[test]
        fn many_meet_at_a_rendezvous() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(0);
                let joins: Vec<_> = (0..10u64)
                    .map(|_| {
                        let sender = sender.clone();
                        spawn(move || (0..20u64).for_each(|n| sender.send(n).unwrap()))
                    })
                    .collect();
                drop(sender);
                assert_eq!(receiver.iter().sum::<u64>(), 10 * 190);
                joins.into_iter().for_each(|join| join());
            });
        }

        #[test]
        fn try_send_meets_a_receiver_that_waits() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(0);
                let join = spawn(move || receiver.recv());
                let begin = Instant::now();
                while let Err(error) = sender.try_send(4) {
                    assert_eq!(error, mpsc::TrySendError::Full(4));
                    assert!(begin.elapsed() < Duration::from_secs(60), "the receiver waits by now");
                    pause();
                }
                assert_eq!(join(), Ok(4));
            });
        }

        #[test]
        fn a_wait_with_a_limit_is_not_too_short() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                for micros in [0, 1, 500, 3000] {
                    let (begin, limit) = (Instant::now(), Duration::from_micros(micros));
                    assert_eq!(receiver.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout));
                    assert!(begin.elapsed() >= limit);
                }
                sender.send(1).unwrap();
                assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
                let join = spawn(move || {
                    pause();
                    sender.send(2).unwrap();
                });
                assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(2));
                join();
            });
        }

        #[test]
        fn try_recv_never_waits() {
            run(|| {
                let (sender, receiver) = mpsc::channel();
                assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
                sender.send(1).unwrap();
                assert_eq!(receiver.try_recv(), Ok(1));
                assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
            });
        }

        #[test]
        fn a_channel_travels_through_a_channel() {
            run(|| {
                let (sender, receiver) = mpsc::channel::<(u32, mpsc::Sender<u32>)>();
                let join = spawn(move || {
                    for (question, answer) in receiver {
                        answer.send(question * 2).unwrap();
                    }
                });
                for n in 0..50 {
                    let (answer, answers) = mpsc::channel();
                    sender.send((n, answer)).unwrap();
                    assert_eq!(answers.recv(), Ok(n * 2));
                }
                drop(sender);
                join();
            });
        }

        #[test]
        fn messages_go_back_and_forth() {
            run(|| {
                let ((ping, pings), (pong, pongs)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
                let join = spawn(move || pings.iter().for_each(|n: u32| pong.send(n + 1).unwrap()));
                let mut n = 0;
                while n < 500 {
                    ping.send(n).unwrap();
                    n = pongs.recv().unwrap();
                }
                drop(ping);
                join();
            });
        }

        #[test]
        fn a_destructor_of_a_message_may_use_the_channel() {
            run(|| {
                struct Reports(Option<mpsc::Sender<Reports>>);
                impl Drop for Reports {
                    fn drop(&mut self) {
                        if let Some(sender) = self.0.take() {
                            let _ = sender.send(Reports(None));
                        }
                    }
                }
                let (sender, receiver) = mpsc::channel();
                sender.send(Reports(Some(sender.clone()))).unwrap();
                drop(receiver.recv().unwrap());
                assert!(receiver.recv().unwrap().0.is_none());
                sender.send(Reports(Some(sender.clone()))).unwrap();
                drop(receiver);
            });
        }

        #[test]
        fn channels_of_large_and_of_empty_messages() {
            run(|| {
                let (sender, receiver) = mpsc::sync_channel(2);
                let join = spawn(move || (0..20u8).for_each(|n| sender.send([n; 4096]).unwrap()));
                assert!((0..20u8).all(|n| receiver.recv() == Ok([n; 4096])));
                join();
                let (sender, receiver) = mpsc::channel();
                (0..100).for_each(|_| sender.send(()).unwrap());
                drop(sender);
                assert_eq!(receiver.iter().count(), 100);
            });
        }
    };
}

mod std_on_threads {
    use std::sync::mpsc;

    fn run(body: impl FnOnce() + Send) {
        body();
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
        let thread = std::thread::spawn(f);
        || thread.join().unwrap()
    }

    fn pause() {
        std::thread::sleep(Duration::from_millis(2));
    }

    behaviour!();
}

mod on_threads {
    use fiber::sync::mpsc;

    fn run(body: impl FnOnce() + Send) {
        body();
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
        let thread = std::thread::spawn(f);
        || thread.join().unwrap()
    }

    fn pause() {
        std::thread::sleep(Duration::from_millis(2));
    }

    behaviour!();
}

mod on_fibers_of_one_worker {
    use fiber::sync::mpsc;

    fn run(body: impl FnOnce() + Send) {
        super::runtime(1).run(body);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
        let fiber = fiber::spawn(f);
        || fiber.join().unwrap()
    }

    fn pause() {
        fiber::time::sleep(Duration::from_millis(2));
    }

    behaviour!();
}

mod on_fibers_of_two_workers {
    use fiber::sync::mpsc;

    fn run(body: impl FnOnce() + Send) {
        super::runtime(2).run(body);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
        let fiber = fiber::spawn(f);
        || fiber.join().unwrap()
    }

    fn pause() {
        fiber::time::sleep(Duration::from_millis(2));
    }

    behaviour!();
}

/// The body on a fiber, what it spawns on threads and on fibers in turn.
mod mixed {
    use fiber::sync::mpsc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn run(body: impl FnOnce() + Send) {
        super::runtime(2).run(body);
    }

    fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Box<dyn FnOnce() -> T> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        if TURN.fetch_add(1, Relaxed).is_multiple_of(2) {
            // Waits for the thread without holding the worker: through a channel.
            let (sender, receiver) = mpsc::channel();
            std::thread::spawn(move || sender.send(f()));
            Box::new(move || receiver.recv().expect("the thread has panicked"))
        } else {
            let fiber = fiber::spawn(f);
            Box::new(|| fiber.join().unwrap())
        }
    }

    fn pause() {
        fiber::time::sleep(Duration::from_millis(2));
    }

    behaviour!();
}

#[test]
fn a_fiber_that_waits_shows_for_what() {
    runtime(1).run(|| {
        let (sender, receiver) = sync_channel(1);
        let fiber = fiber::spawn(move || (0..4).for_each(|n| sender.send(n).unwrap()));
        until_waiting(&here(), &fiber.fiber(), Reason::Send);
        let fiber = fiber::spawn(move || receiver.iter().for_each(drop));
        until_ended(fiber);
        let (sender, receiver) = channel::<()>();
        let fiber = fiber::spawn(move || receiver.recv().is_err());
        until_waiting(&here(), &fiber.fiber(), Reason::Receive);
        drop(sender);
        until_ended(fiber);
    });
}

fn until_ended<T: std::fmt::Debug>(fiber: fiber::JoinHandle<T>) {
    fiber.join().unwrap();
}

#[test]
fn a_ready_channel_does_not_hold_the_worker() {
    runtime(1).run(|| {
        let (sender, receiver) = channel();
        let other = Arc::new(AtomicUsize::new(0));
        fiber::spawn({
            let other = other.clone();
            move || other.store(1, SeqCst)
        });
        let mut operations = 0;
        while other.load(SeqCst) == 0 {
            sender.send(()).unwrap();
            receiver.recv().unwrap();
            operations += 2;
            assert!(operations < 200_000, "operations that need no wait yield now and then");
        }
    });
}

#[test]
fn nothing_is_lost_between_many_of_all_kinds() {
    let runtime = runtime(2);
    for bound in [None, Some(0), Some(1), Some(10)] {
        let send: Arc<dyn Fn(u64) + Send + Sync>;
        let receiver: Receiver<u64>;
        match bound {
            None => {
                let (sender, other) = channel();
                (send, receiver) = (Arc::new(move |n| sender.send(n).unwrap()), other);
            }
            Some(bound) => {
                let (sender, other) = sync_channel(bound);
                (send, receiver) = (Arc::new(move |n| sender.send(n).unwrap()), other);
            }
        }
        let senders = |seed: u64, send: Arc<dyn Fn(u64) + Send + Sync>| {
            move || {
                let mut random = Random::seeded(seed);
                for n in 1..=200 {
                    send(n);
                    if random.below(4) == 0 {
                        fiber::yield_now();
                    }
                }
            }
        };
        let fibers: Vec<_> = (0..10).map(|seed| runtime.spawn(senders(seed, send.clone()))).collect();
        let threads: Vec<_> = (0..3).map(|seed| std::thread::spawn(senders(100 + seed, send.clone()))).collect();
        drop(send);
        let sum: u64 = runtime.run(move || receiver.iter().sum());
        assert_eq!(sum, 13 * 200 * 201 / 2, "bound {bound:?}");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    }
}

#[test]
fn a_thread_receives_from_fibers_with_a_limit() {
    let runtime = runtime(1);
    let (sender, receiver) = channel();
    runtime.spawn(move || {
        for n in 0..5 {
            sleep(Duration::from_millis(1));
            sender.send(n).unwrap();
        }
    });
    for n in 0..5 {
        assert_eq!(receiver.recv_timeout(LONG), Ok(n));
    }
}

#[test]
fn a_time_limit_around_a_rendezvous_takes_the_message_back() {
    runtime(2).run(|| {
        let dropped = Count::new();
        let (sender, receiver) = sync_channel(0);
        for n in 0..50 {
            let guard = dropped.on_drop();
            assert!(timeout(Duration::from_micros(n * 5), || sender.send((n, guard)).unwrap()).is_err());
            assert_eq!(dropped.get(), n as usize + 1);
        }
        let fiber = fiber::spawn(move || receiver.recv().unwrap().0);
        sender.send((99, dropped.on_drop())).unwrap();
        assert_eq!(fiber.join().unwrap(), 99, "none of the messages that were taken back");
    });
}
