#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Cancellation and time limits: at every kind of wait, before the start, after the end, in the middle of an unwinding.

mod common;

use common::{Count, LONG, OnDrop, Random, eventually, here, runtime, until_waiting};
use fiber::net::{TcpListener, TcpStream};
use fiber::runtime::Reason;
use fiber::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use fiber::sync::{
    Barrier, Condvar, Mutex, Notify, Once, OnceLock, RwLock, Semaphore, broadcast, mpmc, oneshot, watch,
};
use fiber::time::{Elapsed, sleep, timeout};
use fiber::{Cancelled, JoinHandle};
use std::any::Any;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// One kind of wait, which by itself never ends.
struct Wait {
    name: &'static str,
    reason: Reason,
    /// Whether it can return an error.
    fails: bool,
    call: Call,
}

type Call = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

fn wait(
    name: &'static str,
    reason: Reason,
    fails: bool,
    call: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Wait {
    Wait { name, reason, fails, call: Arc::new(call) }
}

/// Every kind of wait. Call it on a fiber.
fn all_waits() -> Vec<Wait> {
    let mut waits = vec![
        wait("park", Reason::Park, false, || {
            fiber::park();
            Ok(())
        }),
        wait("park_timeout", Reason::Park, false, || {
            fiber::park_timeout(LONG);
            Ok(())
        }),
        wait("sleep", Reason::Sleep, false, || {
            sleep(LONG);
            Ok(())
        }),
        wait("sleep for ever", Reason::Sleep, false, || {
            sleep(Duration::MAX);
            Ok(())
        }),
        wait("join", Reason::Join, false, || {
            let _ = fiber::spawn(fiber::park).join();
            Ok(())
        }),
        wait("join of a local fiber", Reason::Join, false, || {
            let _ = fiber::spawn_local(fiber::park).join();
            Ok(())
        }),
        wait("join of a scoped fiber", Reason::Join, false, || {
            fiber::scope(|s| {
                let _ = s.spawn(fiber::park).join();
            });
            Ok(())
        }),
        wait("scope", Reason::Scope, false, || {
            fiber::scope(|s| {
                s.spawn(fiber::park);
            });
            Ok(())
        }),
    ];
    waits.extend(lock_waits());
    waits.extend(channel_waits());
    waits.extend(socket_waits());
    waits
}

/// Of locks that all tests share: they are held for ever, so nothing but the wait is of consequence.
fn lock_waits() -> Vec<Wait> {
    static HELD: Mutex<()> = Mutex::new(());
    static LOCK: RwLock<()> = RwLock::new(());
    static SEMAPHORE: Semaphore = Semaphore::new(0);
    static FREE: Mutex<()> = Mutex::new(());
    static CONDVAR: Condvar = Condvar::new();
    static BARRIER: Barrier = Barrier::new(usize::MAX);
    static NOTIFY: Notify = Notify::new();
    static CELL: OnceLock<()> = OnceLock::new();
    std::mem::forget((HELD.try_lock(), LOCK.try_write()));
    let owned = Arc::new(Semaphore::new(0));
    let busy = Arc::new(Once::new());
    let running = fiber::spawn({
        let busy = busy.clone();
        move || busy.call_once(fiber::park)
    });
    until_waiting(&here(), &running.fiber(), Reason::Park);
    let mut waits = Vec::new();
    let mut add = |name, reason, call: fn()| {
        waits.push(wait(name, reason, false, move || {
            call();
            Ok(())
        }));
    };
    add("lock", Reason::Lock, || drop(HELD.lock()));
    add("lock_timeout", Reason::Lock, || drop(HELD.lock_timeout(LONG)));
    add("read", Reason::ReadLock, || drop(LOCK.read()));
    add("read_timeout", Reason::ReadLock, || drop(LOCK.read_timeout(LONG)));
    add("write", Reason::WriteLock, || drop(LOCK.write()));
    add("write_timeout", Reason::WriteLock, || drop(LOCK.write_timeout(LONG)));
    add("condvar wait", Reason::Condition, || drop(CONDVAR.wait_while(FREE.lock().unwrap(), |_| true)));
    add("condvar wait_timeout", Reason::Condition, || {
        drop(CONDVAR.wait_timeout_while(FREE.lock().unwrap(), LONG, |_| true));
    });
    add("barrier wait", Reason::Barrier, || {
        BARRIER.wait();
    });
    add("barrier wait_timeout", Reason::Barrier, || {
        BARRIER.wait_timeout(LONG);
    });
    add("acquire", Reason::Acquire, || drop(SEMAPHORE.acquire()));
    add("acquire_many_timeout", Reason::Acquire, || drop(SEMAPHORE.acquire_many_timeout(2, LONG)));
    add("notified", Reason::Notify, || NOTIFY.notified());
    add("notified_timeout", Reason::Notify, || drop(NOTIFY.notified_timeout(LONG)));
    add("cell wait", Reason::Once, || {
        CELL.wait();
    });
    waits.push(wait("acquire_owned", Reason::Acquire, false, move || {
        drop(owned.clone().acquire_owned());
        Ok(())
    }));
    waits.push(wait("call_once", Reason::Once, false, move || {
        // Runs for as long as the wait exists.
        let _running = &running;
        busy.call_once(|| ());
        Ok(())
    }));
    waits
}

fn channel_waits() -> Vec<Wait> {
    let mut waits = Vec::new();
    for (name, bound) in [("send to a full channel", 1), ("send to a rendezvous channel", 0)] {
        let (sender, receiver) = sync_channel(bound);
        // Kept for as long as the wait exists; a receiver is not `Sync`.
        let receiver = std::sync::Mutex::new(receiver);
        (0..bound).for_each(|_| sender.send(()).unwrap());
        waits.push(wait(name, Reason::Send, false, move || {
            let _receiver = &receiver;
            sender.send(()).unwrap();
            Ok(())
        }));
    }
    waits.push(wait("recv", Reason::Receive, false, || {
        let (_sender, receiver) = channel::<()>();
        receiver.recv().unwrap();
        Ok(())
    }));
    waits.push(wait("recv_timeout", Reason::Receive, false, || {
        let (_sender, receiver) = channel::<()>();
        receiver.recv_timeout(LONG).unwrap();
        Ok(())
    }));
    waits.push(wait("send with a limit", Reason::Send, false, || {
        let (sender, _receiver) = mpmc::sync_channel(0);
        sender.send_timeout((), LONG).unwrap();
        Ok(())
    }));
    waits.extend(waits_for_one_and_for_all());
    waits
}

fn waits_for_one_and_for_all() -> Vec<Wait> {
    vec![
        wait("recv of a single message", Reason::Receive, false, || {
            let (_sender, receiver) = oneshot::channel::<()>();
            receiver.recv().unwrap();
            Ok(())
        }),
        wait("closed", Reason::Closed, false, || {
            let (sender, _receiver) = oneshot::channel::<()>();
            sender.closed();
            Ok(())
        }),
        wait("recv of a broadcast", Reason::Receive, false, || {
            let (_sender, mut receiver) = broadcast::channel::<()>(1);
            receiver.recv().unwrap();
            Ok(())
        }),
        wait("changed", Reason::Watch, false, || {
            let (_sender, mut receiver) = watch::channel(());
            receiver.changed().unwrap();
            Ok(())
        }),
        wait("closed, of a watched value", Reason::Closed, false, || {
            let (sender, _receiver) = watch::channel(());
            sender.closed();
            Ok(())
        }),
    ]
}

fn socket_waits() -> Vec<Wait> {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let pair = || {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let streams = Arc::new((pair(), full_pair()));
    let (silent, full, busy) = (streams.clone(), streams.clone(), busy_address());
    vec![
        wait("accept", Reason::Accept, true, move || listener.accept().map(drop)),
        wait("read", Reason::Read, true, move || (&silent.0.0).read(&mut [0; 16]).map(drop)),
        wait("peek", Reason::Peek, true, move || streams.0.0.peek(&mut [0; 16]).map(drop)),
        wait("write", Reason::Write, true, move || (&full.1.0).write(&[0; 16]).map(drop)),
        wait("connect", Reason::Connect, true, move || TcpStream::connect(busy).map(drop)),
    ]
}

/// A connection that takes no more bytes in one direction. Not TCP, which may find room yet for what is on its way.
fn full_pair() -> (TcpStream, TcpStream) {
    let (full, deaf) = UnixStream::pair().unwrap();
    full.set_nonblocking(true).unwrap();
    let error = loop {
        if let Err(error) = (&full).write(&[0; 16]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    full.set_nonblocking(false).unwrap();
    (TcpStream::from(OwnedFd::from(full)), TcpStream::from(OwnedFd::from(deaf)))
}

/// The address of a listener that has no room for another connection and never accepts: connecting to it waits. The sockets
/// are kept until the process ends.
fn busy_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: takes integers; listening again changes the length of the queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    std::mem::forget(listener);
    // The queue of length 0 takes one, and others may be half open.
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(20)) {
        std::mem::forget(stream);
    }
    address
}

fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Cancelled>())
}

/// Checks how a fiber that did nothing but this wait has ended after it was cancelled.
fn check_cancelled(wait: &Wait, fiber: JoinHandle<io::Result<()>>) {
    match fiber.join() {
        Ok(Err(error)) if wait.fails => assert!(is_cancelled(&error), "{}: {error:?}", wait.name),
        Err(error) if !wait.fails => assert!(error.is_cancelled(), "{}: {error:?}", wait.name),
        other => panic!("{} has ended with {other:?}", wait.name),
    }
}

#[test]
fn every_wait_ends_when_its_fiber_is_cancelled() {
    for workers in [1, 2] {
        runtime(workers).run(|| {
            for wait in all_waits() {
                let dropped = Count::new();
                let (call, guard) = (wait.call.clone(), dropped.on_drop());
                let fiber = fiber::spawn(move || {
                    let _guard = guard;
                    call()
                });
                until_waiting(&here(), &fiber.fiber(), wait.reason);
                fiber.cancel();
                check_cancelled(&wait, fiber);
                assert_eq!(dropped.get(), 1, "{}", wait.name);
            }
        });
    }
}

#[test]
fn every_wait_ends_when_a_thread_cancels_its_fiber() {
    let runtime = runtime(2);
    let waits = runtime.run(all_waits);
    for wait in &waits {
        let call = wait.call.clone();
        let fiber = runtime.spawn(move || call());
        until_waiting(&runtime.handle(), &fiber.fiber(), wait.reason);
        fiber.cancel();
        check_cancelled(wait, fiber);
    }
}

#[test]
fn a_cancelled_fiber_begins_no_wait() {
    runtime(2).run(|| {
        for wait in all_waits() {
            let call = wait.call.clone();
            let fiber = fiber::spawn(move || {
                fiber::current().cancel();
                // No wait, so no cancellation point.
                fiber::yield_now();
                call()
            });
            check_cancelled(&wait, fiber);
        }
    });
}

#[test]
fn every_wait_ends_at_a_time_limit() {
    runtime(2).run(|| {
        for wait in all_waits() {
            for micros in [0, 1, 300, 2000] {
                match timeout(Duration::from_micros(micros), || (wait.call)()) {
                    Err(Elapsed) if !wait.fails => (),
                    Ok(Err(error)) if wait.fails => {
                        assert_eq!(error.kind(), ErrorKind::TimedOut, "{}: {error:?}", wait.name);
                        assert!(error.get_ref().is_some_and(|source| source.is::<Elapsed>()), "{}", wait.name);
                    }
                    other => panic!("{} within {micros} us has ended with {other:?}", wait.name),
                }
            }
        }
    });
}

#[test]
fn an_error_comes_once_and_then_unwinding() {
    runtime(2).run(|| {
        for wait in all_waits().into_iter().filter(|wait| wait.fails) {
            let (call, second) = (wait.call.clone(), Arc::new(AtomicBool::new(false)));
            let fiber = fiber::spawn({
                let second = second.clone();
                move || {
                    assert!(is_cancelled(&call().unwrap_err()));
                    second.store(true, SeqCst);
                    let _ = call();
                    unreachable!("the second wait of a cancelled fiber unwinds");
                }
            });
            until_waiting(&here(), &fiber.fiber(), wait.reason);
            fiber.cancel();
            // Twice is once.
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled(), "{}", wait.name);
            assert!(second.load(SeqCst));
        }
    });
}

#[test]
fn a_time_limit_gives_an_error_once_and_then_unwinds() {
    runtime(1).run(|| {
        for wait in all_waits().into_iter().filter(|wait| wait.fails) {
            let mut errors = 0;
            let outcome = timeout(Duration::from_millis(1), || {
                loop {
                    let error = (wait.call)().expect_err(wait.name);
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{}: {error:?}", wait.name);
                    errors += 1;
                }
            });
            assert_eq!((outcome, errors), (Err::<(), _>(Elapsed), 1), "{}", wait.name);
        }
    });
}

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

#[test]
fn catching_the_unwinding_does_not_end_the_cancellation() {
    runtime(2).run(|| {
        for wait in all_waits() {
            let call = wait.call.clone();
            let fiber = fiber::spawn(move || {
                fiber::current().cancel();
                if wait.fails {
                    assert!(call().is_err());
                }
                (0..50).filter(|_| catch_unwind(AssertUnwindSafe(|| call())).is_err()).count()
            });
            // It returned in the end, so it has a result.
            assert_eq!(fiber.join().unwrap(), 50, "{}", wait.name);
        }
    });
}

#[test]
fn a_cancellation_at_any_moment_is_seen() {
    let runtime = runtime(2);
    let waits = runtime.run(all_waits);
    let mut random = Random::seeded(1);
    for _ in 0..40 {
        for wait in &waits {
            let call = wait.call.clone();
            let fiber = runtime.spawn(move || call());
            for _ in 0..random.below(400) {
                std::hint::spin_loop();
            }
            fiber.cancel();
            match fiber.join() {
                Ok(Err(error)) if wait.fails => assert!(is_cancelled(&error), "{}: {error:?}", wait.name),
                // Before its start, if it is an operation.
                Err(error) => assert!(error.is_cancelled(), "{}: {error:?}", wait.name),
                other => panic!("{} has ended with {other:?}", wait.name),
            }
        }
    }
}

#[test]
fn waits_that_were_taken_back_leave_nothing_behind() {
    runtime(1).run(|| {
        for wait in all_waits() {
            for round in 0..30 {
                let outcome = timeout(Duration::from_micros(round * 7), || (wait.call)());
                assert!(matches!(outcome, Err(_) | Ok(Err(_))), "{}", wait.name);
            }
        }
        // The fiber is as good as new.
        assert_eq!(timeout(LONG, || 5), Ok(5));
        sleep(Duration::from_micros(10));
    });
}

#[test]
fn before_its_start_a_cancelled_fiber_does_not_run() {
    runtime(1).run(|| {
        let (ran, dropped) = (Count::new(), Count::new());
        for _ in 0..100 {
            let (ran, guard) = (ran.clone(), dropped.on_drop());
            let fiber = fiber::spawn(move || {
                let _guard = guard;
                ran.add();
            });
            // There is one worker, and it runs this.
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
        }
        assert_eq!((ran.get(), dropped.get()), (0, 100));
    });
}

#[test]
fn before_its_start_a_cancelled_local_fiber_does_not_run() {
    runtime(2).run(|| {
        let not_send = std::rc::Rc::new(());
        let fiber = fiber::spawn_local({
            let not_send = not_send.clone();
            move || {
                let _not_send = not_send;
                unreachable!("it was cancelled")
            }
        });
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(std::rc::Rc::strong_count(&not_send), 1);
    });
}

#[test]
fn a_cancellation_races_with_the_start() {
    let runtime = runtime(2);
    let (ran, dropped) = (Count::new(), Count::new());
    let mut cancelled = 0;
    for n in 0..3000 {
        let (ran, guard) = (ran.clone(), dropped.on_drop());
        let fiber = runtime.spawn(move || {
            let _guard = guard;
            ran.add();
        });
        for _ in 0..n % 200 {
            std::hint::spin_loop();
        }
        fiber.cancel();
        match fiber.join() {
            Ok(()) => (),
            Err(error) if error.is_cancelled() => cancelled += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(ran.get() + cancelled, 3000);
    assert_eq!(dropped.get(), 3000);
}

#[test]
fn after_its_end_a_fiber_is_not_cancelled() {
    runtime(2).run(|| {
        let fiber = fiber::spawn(|| 5);
        eventually("it has ended", || fiber.is_finished());
        fiber.cancel();
        fiber.fiber().cancel();
        assert_eq!(fiber.join().unwrap(), 5);
    });
}

#[test]
fn a_cancelled_fiber_that_does_not_wait_has_a_result() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().cancel();
            (0..100).for_each(|_| fiber::yield_now());
            // Neither an uncontended lock nor a ready channel is a wait.
            let (sender, receiver) = channel();
            sender.send(*Mutex::new(7).lock().unwrap()).unwrap();
            receiver.recv().unwrap()
        });
        assert_eq!(fiber.join().unwrap(), 7);
    });
}

#[test]
fn a_cancelled_fiber_takes_its_permit_without_a_wait() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().unpark();
            fiber::current().cancel();
            fiber::park();
        });
        fiber.join().unwrap();
    });
}

#[test]
fn cancellation_does_not_poison() {
    runtime(2).run(|| {
        let mutex = Arc::new(Mutex::new(0));
        for _ in 0..20 {
            let fiber = fiber::spawn({
                let mutex = mutex.clone();
                move || {
                    let mut guard = mutex.lock().unwrap();
                    *guard += 1;
                    fiber::park();
                }
            });
            until_waiting(&here(), &fiber.fiber(), Reason::Park);
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
            assert!(!mutex.is_poisoned());
            // It was unlocked.
            drop(mutex.try_lock().unwrap());
        }
        assert!(timeout(Duration::from_micros(100), || (mutex.lock().unwrap(), fiber::park()).1).is_err());
        assert_eq!(*mutex.lock().unwrap(), 20);
    });
}

#[test]
fn a_panic_after_a_caught_cancellation_poisons() {
    runtime(1).run(|| {
        let mutex = Arc::new(Mutex::new(()));
        let fiber = fiber::spawn({
            let mutex = mutex.clone();
            move || {
                fiber::current().cancel();
                assert!(catch_unwind(fiber::park).is_err());
                let _guard = mutex.lock().unwrap();
                panic!("while it holds the lock");
            }
        });
        assert!(fiber.join().unwrap_err().is_panic());
        assert!(mutex.is_poisoned());
    });
}

#[test]
fn destructors_may_wait_while_a_cancelled_fiber_unwinds() {
    runtime(1).run(|| {
        let steps = Count::new();
        let fiber = fiber::spawn({
            let steps = steps.clone();
            move || {
                let mutex = Mutex::new(());
                let _slow = OnDrop(|| {
                    sleep(Duration::from_millis(1));
                    steps.add();
                    drop(mutex.lock());
                    steps.add();
                    assert_eq!(fiber::spawn(|| 3).join().unwrap(), 3);
                    steps.add();
                    let (sender, receiver) = channel();
                    fiber::spawn(move || sender.send(()));
                    receiver.recv().unwrap();
                    steps.add();
                    let wakes = fiber::current();
                    fiber::spawn(move || wakes.unpark());
                    fiber::park();
                    steps.add();
                });
                fiber::park();
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(steps.get(), 5);
    });
}

#[test]
fn a_cancellation_during_the_unwinding_of_a_sibling_is_not_lost() {
    runtime(1).run(|| {
        let parked = fiber::spawn_local(fiber::park);
        until_waiting(&here(), &parked.fiber(), Reason::Park);
        let unwinding = fiber::spawn_local(|| {
            let _slow = OnDrop(fiber::park);
            panic!("and its destructor waits");
        });
        until_waiting(&here(), &unwinding.fiber(), Reason::Park);
        // The thread is in the middle of a panic, this fiber and the parked one are not.
        parked.cancel();
        sleep(Duration::from_millis(1));
        unwinding.fiber().unpark();
        assert!(unwinding.join().unwrap_err().is_panic());
        assert!(parked.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_time_limit_that_passes_during_the_unwinding_of_a_sibling_is_not_lost() {
    runtime(1).run(|| {
        let unwinding = fiber::spawn_local(|| {
            let _slow = OnDrop(|| sleep(Duration::from_millis(5)));
            panic!("and its destructor waits");
        });
        until_waiting(&here(), &unwinding.fiber(), Reason::Sleep);
        assert_eq!(timeout(Duration::from_millis(1), fiber::park), Err(Elapsed));
        assert!(unwinding.join().unwrap_err().is_panic());
    });
}

#[test]
fn a_time_limit_does_not_swallow_a_cancellation() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            let _ = timeout(LONG, || timeout(LONG, fiber::park));
            unreachable!("the cancellation is the fiber's, not the limit's");
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
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

#[test]
fn what_a_cancelled_fiber_raises_is_no_ordinary_panic() {
    runtime(1).run(|| {
        fiber::spawn(|| {
            fiber::current().cancel();
            let payload: Box<dyn Any + Send> = catch_unwind(fiber::park).unwrap_err();
            assert!(!payload.is::<&'static str>() && !payload.is::<String>());
            // Caught and let go on, it is still the cancellation.
            let again = fiber::spawn(|| {
                fiber::current().cancel();
                let payload = catch_unwind(fiber::park).unwrap_err();
                std::panic::resume_unwind(payload)
            });
            fiber::current().unpark();
            fiber::park();
            drop(again);
        })
        .join()
        .unwrap();
        let again = fiber::spawn(|| {
            fiber::current().cancel();
            let payload = catch_unwind(fiber::park).unwrap_err();
            std::panic::resume_unwind(payload)
        });
        let error: fiber::JoinError = match again.join() {
            Ok(()) => unreachable!(),
            Err(error) => error,
        };
        assert!(error.is_cancelled());
        assert!(is_cancelled(&io::Error::from(error)));
    });
}
