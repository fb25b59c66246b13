//! Signals that come, to fibers and to threads.
#![allow(unsafe_code, reason = "handlers beside ours")]

use super::{Signal, Signals, ctrl_c};
use crate::conformance::on_fiber;
use crate::on_fibers::on_one_worker;
use crate::runtime::{Builder, Handle, Reason, State};
use crate::sync::mpsc::channel;
use crate::time::{sleep, timeout};
use crate::{Cancelled, select, spawn};
use std::io::{self, ErrorKind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Signals come to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the calling thread a signal, whose handler has run when this returns.
fn raise(signal: Signal) {
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::raise(signal.as_raw()) }, 0);
}

fn until_waiting(number: usize) {
    let waiting = || {
        let dump = Handle::try_current().unwrap().dump();
        dump.fibers().iter().filter(|fiber| fiber.state() == State::Waiting(Reason::Signal)).count()
    };
    while waiting() < number {
        sleep(Duration::from_micros(100));
    }
}

#[test]
fn a_signal_ends_the_wait() {
    let _alone = alone();
    on_one_worker(|| {
        let signals = Arc::new(Signals::new([Signal::SIGUSR1, Signal::SIGUSR2]).unwrap());
        let waiter = spawn({
            let signals = signals.clone();
            move || signals.recv()
        });
        until_waiting(1);
        raise(Signal::SIGUSR2);
        assert_eq!(waiter.join().unwrap().unwrap(), Signal::SIGUSR2);
        assert_eq!(signals.try_recv(), None);
    });
}

/// The arm that happens takes one signal; others take nothing.
#[test]
fn an_arm_of_select() {
    let _alone = alone();
    let body = || {
        let signals = Signals::new([Signal::SIGUSR1, Signal::SIGUSR2]).unwrap();
        let (sender, receiver) = channel();
        let nothing = select! {
            signal = signals.recv() => Some(signal),
            default => None,
        };
        assert!(nothing.is_none(), "{nothing:?}");
        raise(Signal::SIGUSR2);
        raise(Signal::SIGUSR1);
        sender.send(()).unwrap();
        select! {
            biased;
            _ = receiver.recv() => (),
            _ = signals.recv() => unreachable!("the other is first"),
        }
        let mut came = Vec::new();
        for _ in 0..2 {
            select! {
                signal = &signals => came.push(signal.unwrap()),
                _ = receiver.recv() => unreachable!("the sender lives"),
            }
        }
        assert_eq!(came, [Signal::SIGUSR1, Signal::SIGUSR2]);
        let raiser = thread::spawn(|| {
            thread::sleep(Duration::from_millis(10));
            // To the process: it is one thread's to handle it, whichever.
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) }, 0);
        });
        select! {
            signal = signals.recv() => assert_eq!(signal.unwrap(), Signal::SIGUSR1),
            _ = receiver.recv() => unreachable!("the sender lives"),
        }
        raiser.join().unwrap();
        assert_eq!(signals.try_recv(), None);
        drop(sender);
    };
    on_one_worker(body);
    body();
}

#[test]
fn on_threads_too() {
    let _alone = alone();
    let signals = Signals::new([Signal::SIGUSR1]).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| signals.recv().unwrap());
        raise(Signal::SIGUSR1);
        assert_eq!(waiter.join().unwrap(), Signal::SIGUSR1);
    });
    assert_eq!(signals.recv_timeout(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::TimedOut);
    raise(Signal::SIGUSR1);
    assert_eq!(signals.recv_timeout(Duration::from_secs(1000)).unwrap(), Signal::SIGUSR1);
}

/// What comes while nobody waits is kept, once for each kind, the smallest number first.
#[test]
fn signals_are_kept() {
    let _alone = alone();
    let signals = Signals::new([Signal::SIGWINCH, Signal::SIGUSR2]).unwrap();
    signals.add(Signal::SIGUSR1).unwrap();
    signals.add(Signal::SIGUSR1).unwrap();
    for _ in 0..3 {
        [Signal::SIGWINCH, Signal::SIGUSR2, Signal::SIGUSR1].into_iter().for_each(raise);
    }
    let kept: Vec<_> = std::iter::from_fn(|| signals.try_recv()).collect();
    assert_eq!(kept, [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH]);
    assert_eq!(format!("{signals:?}"), "{SIGWINCH, SIGUSR2, SIGUSR1}");
}

/// Several wait at one stream, and several signals come at once: nobody sleeps on while one is left.
#[test]
fn no_signal_is_left_to_lie() {
    let _alone = alone();
    let all = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGURG];
    Builder::new().workers(2).build().unwrap().run(|| {
        let signals = Signals::new(all).unwrap();
        for _ in 0..100 {
            let mut taken = crate::scope(|scope| {
                let waiters: Vec<_> = all.iter().map(|_| scope.spawn(|| signals.recv().unwrap())).collect();
                until_waiting(all.len());
                all.into_iter().for_each(raise);
                waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect::<Vec<_>>()
            });
            taken.sort_unstable();
            let mut expected = all;
            expected.sort_unstable();
            assert_eq!(taken, expected);
        }
    });
}

/// Every stream is told, and so are handlers that others registered, and the one that was there before.
#[test]
fn everybody_is_told() {
    static BEFORE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn before(_: i32) {
        BEFORE.fetch_add(1, SeqCst);
    }
    let _alone = alone();
    // SAFETY: the handler does what a handler may.
    unsafe { libc::signal(libc::SIGIO, before as extern "C" fn(i32) as libc::sighandler_t) };
    let other = Arc::new(AtomicUsize::new(0));
    // SAFETY: as above.
    let registration = unsafe {
        let other = other.clone();
        signal_hook_registry::register(libc::SIGIO, move || {
            other.fetch_add(1, SeqCst);
        })
        .unwrap()
    };
    on_fiber(|| {
        let (one, two) = (Signals::new([Signal::SIGIO]).unwrap(), Signals::new([Signal::SIGIO]).unwrap());
        raise(Signal::SIGIO);
        assert_eq!((one.recv().unwrap(), two.recv().unwrap()), (Signal::SIGIO, Signal::SIGIO));
        drop(one);
        raise(Signal::SIGIO);
        assert_eq!(two.recv().unwrap(), Signal::SIGIO);
    });
    signal_hook_registry::unregister(registration);
    raise(Signal::SIGIO);
    assert_eq!((other.load(SeqCst), BEFORE.load(SeqCst)), (2, 3));
}

#[test]
fn waiting_can_be_cancelled() {
    let _alone = alone();
    on_one_worker(|| {
        let signals = Arc::new(Signals::new([Signal::SIGUSR1]).unwrap());
        let waiter = spawn({
            let signals = signals.clone();
            move || signals.recv()
        });
        until_waiting(1);
        waiter.cancel();
        let error: io::Error = waiter.join().unwrap().unwrap_err();
        assert!(error.get_ref().is_some_and(|source| source.is::<Cancelled>()), "{error:?}");

        let late = timeout(Duration::from_millis(5), || signals.recv()).unwrap().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        assert_eq!(signals.recv_timeout(Duration::from_millis(5)).unwrap_err().kind(), ErrorKind::TimedOut);

        // As an iterator it has no error to give.
        assert!(timeout(Duration::from_millis(5), || (&*signals).next()).is_err());
        let iterating = spawn({
            let signals = signals.clone();
            move || (&*signals).next()
        });
        until_waiting(1);
        iterating.cancel();
        assert!(iterating.join().unwrap_err().is_cancelled());
        raise(Signal::SIGUSR1);
        assert_eq!((&*signals).next(), Some(Signal::SIGUSR1));
    });
}

#[test]
fn interrupts() {
    let _alone = alone();
    on_one_worker(|| {
        let two = [spawn(ctrl_c), spawn(ctrl_c)];
        until_waiting(2);
        raise(Signal::SIGINT);
        two.into_iter().for_each(|waiter| waiter.join().unwrap().unwrap());
    });
}

#[test]
fn signals_that_cannot_be_watched() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGSEGV, Signal::SIGILL, Signal::SIGFPE] {
        assert_eq!(Signals::new([signal]).unwrap_err().kind(), ErrorKind::InvalidInput, "{signal}");
    }
    // The C library keeps it for itself.
    let theirs = Signal::from_raw(32).unwrap();
    assert_eq!(Signals::new([theirs]).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert_eq!(theirs.to_string(), "signal 32");
    assert_eq!((Signal::from_raw(0), Signal::from_raw(65)), (None, None));
}

/// The handler runs on the alternate stack.
#[test]
fn handlers_leave_the_fibers_stack_alone() {
    let _alone = alone();
    let _signals = Signals::new([Signal::SIGXCPU]).unwrap();
    // SAFETY: an all-zero `sigaction` is a valid one, and the kernel writes to it during the call.
    let flags = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGXCPU, std::ptr::null(), &raw mut action), 0);
        action.sa_flags
    };
    assert_ne!(flags & libc::SA_ONSTACK, 0);
}
