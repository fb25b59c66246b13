//! Every kind of wait, and how a fiber that did nothing else ends.

use crate::common::{LONG, here, until_waiting};
use fiber::net::{TcpListener, TcpStream};
use fiber::runtime::Reason;
use fiber::sync::mpsc::{channel, sync_channel};
use fiber::sync::{
    Barrier, Condvar, Mutex, Notify, Once, OnceLock, RwLock, Semaphore, broadcast, mpmc, oneshot, watch,
};
use fiber::time::sleep;
use fiber::{Cancelled, JoinHandle};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// One kind of wait, which by itself never ends.
pub(crate) struct Wait {
    pub(crate) name: &'static str,
    pub(crate) reason: Reason,
    /// Whether it can return an error.
    pub(crate) fails: bool,
    pub(crate) call: Call,
}

pub(crate) type Call = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

fn wait(
    name: &'static str,
    reason: Reason,
    fails: bool,
    call: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Wait {
    Wait { name, reason, fails, call: Arc::new(call) }
}

/// Every kind of wait. Call it on a fiber.
pub(crate) fn all_waits() -> Vec<Wait> {
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
    // The queue of length 0 takes one, which is waited for: on a busy machine the time below may pass before the kernel gets to it.
    std::mem::forget(std::net::TcpStream::connect(address).unwrap());
    // Others may be half open.
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(20)) {
        std::mem::forget(stream);
    }
    address
}

pub(crate) fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Cancelled>())
}

/// Checks how a fiber that did nothing but this wait has ended after it was cancelled.
pub(crate) fn check_cancelled(wait: &Wait, fiber: JoinHandle<io::Result<()>>) {
    match fiber.join() {
        Ok(Err(error)) if wait.fails => assert!(is_cancelled(&error), "{}: {error:?}", wait.name),
        Err(error) if !wait.fails => assert!(error.is_cancelled(), "{}: {error:?}", wait.name),
        other => panic!("{} has ended with {other:?}", wait.name),
    }
}
