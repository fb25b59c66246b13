//! What a cancelled fiber had been given, or had given, goes on: locks, messages, bytes, children.

use crate::common::{Count, LONG, OnDrop, eventually, here, runtime, until_waiting};
use crate::waits::is_cancelled;
use fiber::JoinHandle;
use fiber::net::{TcpListener, TcpStream, UnixStream};
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use fiber::time::{Elapsed, sleep, timeout};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn a_write_that_was_cut_short_is_followed_by_the_error() {
    runtime(1).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_deaf, _) = listener.accept().unwrap();
        let fiber = fiber::spawn(move || {
            let all = vec![0; 64 << 20];
            let sent = (&client).write(&all)?;
            assert!((1..all.len()).contains(&sent));
            loop {
                (&client).write_all(&all)?;
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Write);
        fiber.cancel();
        let outcome: Result<io::Result<()>, _> = fiber.join();
        assert!(is_cancelled(&outcome.expect("an error comes before an unwinding").unwrap_err()));
    });
}

/// Nor is it lost on one who was told before, and whom the next wait unwinds.
#[test]
fn a_write_that_was_cut_short_is_reported_before_an_unwinding() {
    runtime(1).run(|| {
        let (client, mut other) = UnixStream::pair().unwrap();
        let sent = Count::new();
        let fiber = fiber::spawn({
            let sent = sent.clone();
            move || {
                fiber::current().cancel();
                assert!(is_cancelled(&(&client).read(&mut [0]).unwrap_err()));
                let all = vec![0; 8 << 20];
                let part = (&client).write(&all).expect("a part was sent");
                assert!((1..all.len()).contains(&part));
                (0..part).for_each(|_| sent.add());
                let _ = (&client).write(&all);
                unreachable!("there was no room, and it was told before");
            }
        });
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(other.read_to_end(&mut Vec::new()).unwrap(), sent.get());
    });
}

#[test]
fn a_joiner_that_is_cancelled_detaches() {
    runtime(2).run(|| {
        let (sender, receiver) = channel();
        let worker = fiber::spawn(move || {
            fiber::park();
            sender.send(5).unwrap();
        });
        let target = worker.fiber();
        let joiner = fiber::spawn(move || worker.join());
        until_waiting(&here(), &joiner.fiber(), Reason::Join);
        joiner.cancel();
        assert!(joiner.join().unwrap_err().is_cancelled());
        target.unpark();
        assert_eq!(receiver.recv(), Ok(5));
    });
}

#[test]
fn a_lock_is_not_lost_when_its_next_holder_is_cancelled() {
    let runtime = runtime(2);
    for round in 0..300 {
        let mutex = Arc::new(Mutex::new(0));
        let outcomes = runtime.run(|| {
            let guard = mutex.lock().unwrap();
            let waiters: Vec<_> = (0..4)
                .map(|_| {
                    let mutex = mutex.clone();
                    fiber::spawn(move || *mutex.lock().unwrap() += 1)
                })
                .collect();
            (0..round % 7).for_each(|_| fiber::yield_now());
            waiters[0].cancel();
            drop(guard);
            waiters[1].cancel();
            waiters.into_iter().map(JoinHandle::join).collect::<Vec<_>>()
        });
        let granted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(outcomes[2].is_ok() && outcomes[3].is_ok());
        assert_eq!(*mutex.lock().unwrap(), granted);
    }
}

#[test]
fn a_message_is_not_lost_when_its_receiver_is_cancelled() {
    let runtime = runtime(2);
    for round in 0..500 {
        let (sender, receiver) = channel();
        let receiver = Arc::new(std::sync::Mutex::new(receiver));
        let received = runtime.run(|| {
            let waiting = fiber::spawn({
                let receiver = receiver.clone();
                // The only one that has the lock at this time.
                move || receiver.lock().unwrap_or_else(|error| error.into_inner()).recv()
            });
            (0..round % 5).for_each(|_| fiber::yield_now());
            if round % 2 == 0 {
                sender.send(round).unwrap();
                waiting.cancel();
            } else {
                waiting.cancel();
                sender.send(round).unwrap();
            }
            waiting.join()
        });
        let left = receiver.lock().unwrap_or_else(|error| error.into_inner()).try_recv();
        match received {
            Ok(message) => assert_eq!(message, Ok(round)),
            Err(error) => {
                assert!(error.is_cancelled());
                assert_eq!(left, Ok(round));
            }
        }
    }
}

#[test]
fn room_in_a_channel_is_not_lost_when_its_next_sender_is_cancelled() {
    let runtime = runtime(2);
    for round in 0..300 {
        let (sender, receiver) = sync_channel(1);
        let outcomes = runtime.run(move || {
            sender.send(99).unwrap();
            let senders: Vec<_> = (0..4)
                .map(|n| {
                    let sender = sender.clone();
                    fiber::spawn(move || sender.send(n).unwrap())
                })
                .collect();
            drop(sender);
            (0..round % 7).for_each(|_| fiber::yield_now());
            senders[0].cancel();
            assert_eq!(receiver.recv(), Ok(99));
            senders[1].cancel();
            let received: Vec<i32> = receiver.iter().collect();
            let sent: Vec<_> = senders.into_iter().map(|sender| sender.join().is_ok()).collect();
            (sent, received)
        });
        let (sent, mut received) = outcomes;
        received.sort_unstable();
        let expected: Vec<i32> = (0..4).zip(&sent).filter(|(_, sent)| **sent).map(|(n, _)| n).collect();
        assert_eq!(received, expected);
        assert!(sent[2] && sent[3]);
    }
}

#[test]
fn a_message_whose_sender_was_cancelled_is_dropped() {
    runtime(1).run(|| {
        for bound in [0, 1] {
            let dropped = Count::new();
            let (sender, receiver) = sync_channel(bound);
            (0..bound).for_each(|_| sender.send(None).unwrap());
            let fiber = fiber::spawn({
                let guard = dropped.on_drop();
                move || sender.send(Some(guard))
            });
            until_waiting(&here(), &fiber.fiber(), Reason::Send);
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
            assert_eq!(dropped.get(), 1);
            (0..bound).for_each(|_| assert!(receiver.recv().unwrap().is_none()));
            assert!(receiver.recv().is_err(), "the cancelled sender's message never comes");
        }
    });
}

#[test]
fn a_receiver_can_be_used_after_a_wait_that_was_taken_back() {
    runtime(1).run(|| {
        let (sender, receiver) = channel();
        for n in 0..100 {
            assert!(timeout(Duration::from_micros(50), || receiver.recv()).is_err());
            assert_eq!(receiver.recv_timeout(Duration::from_micros(10)), Err(RecvTimeoutError::Timeout));
            sender.send(n).unwrap();
            assert_eq!(receiver.recv(), Ok(n));
        }
    });
}

#[test]
fn a_cancelled_parent_cancels_its_scope_and_waits_for_it() {
    runtime(2).run(|| {
        let (begun, dropped) = (Count::new(), Count::new());
        let parent = fiber::spawn({
            let (begun, dropped) = (begun.clone(), dropped.clone());
            move || {
                let on_the_stack = AtomicUsize::new(0);
                fiber::scope(|s| {
                    for _ in 0..10 {
                        s.spawn(|| {
                            let _guard = dropped.on_drop();
                            // Still there, although the parent was cancelled.
                            let _late = OnDrop(|| _ = on_the_stack.fetch_add(1, SeqCst));
                            begun.add();
                            fiber::park();
                        });
                    }
                });
                unreachable!("it was cancelled while it waited for its children");
            }
        });
        until_waiting(&here(), &parent.fiber(), Reason::Scope);
        eventually("all children run", || begun.get() == 10);
        parent.cancel();
        assert!(parent.join().unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 10);
    });
}

#[test]
fn a_time_limit_around_a_scope_ends_its_children() {
    runtime(2).run(|| {
        let dropped = Count::new();
        let outcome = timeout(Duration::from_millis(2), || {
            fiber::scope(|s| {
                for _ in 0..5 {
                    s.spawn(|| {
                        let _guard = dropped.on_drop();
                        sleep(LONG);
                    });
                }
            });
        });
        assert_eq!(outcome, Err(Elapsed), "its children were cut short, and it must not look as if they were not");
    });
}
