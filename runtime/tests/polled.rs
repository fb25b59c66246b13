#![cfg(not(loom))]
//! Streams and sleeps for async code: on fibers, on threads, moved between them, dropped in the middle, and outliving the runtime that waited.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Random, eventually, here, runtime, until_waiting};
use everywhere::Place;
use fiber::block_on;
use fiber::future::{Async, Sleep, sleep, sleep_until};
use fiber::net::{TcpListener, TcpStream, UnixStream};
use fiber::runtime::Reason;
use fiber::sync::oneshot;
use fiber::time::{Duration, Instant, timeout};
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

everywhere! {
    what_is_written_is_read
    writers_wait_for_room
    a_read_that_is_dropped_has_taken_nothing
    sleeps_end_in_order_and_not_early
    readiness_without_transfer
}

/// A waker that counts.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn poll_with<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// A sleep that has been begun, with this waker, and goes on. A short one may be over before it is asked, on a machine that pauses; then it
/// is a longer one.
fn begun(mut time: Duration, waker: &Waker) -> Sleep {
    loop {
        let mut pause = sleep(time);
        if poll_with(&mut pause, waker).is_pending() {
            return pause;
        }
        time *= 2;
    }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    // An answer in two parts would wait for the peer's delayed acknowledgement of the first.
    far.set_nodelay(true).unwrap();
    (near, far)
}

async fn read_exact<T: fiber::future::Stream>(stream: &mut Async<T>, mut buf: &mut [u8]) {
    while !buf.is_empty() {
        let n = stream.read(buf).await.unwrap();
        assert!(n > 0, "the stream ended early");
        buf = &mut buf[n..];
    }
}

async fn write_all<T: fiber::future::Stream>(stream: &mut Async<T>, mut buf: &[u8]) {
    while !buf.is_empty() {
        let n = stream.write(buf).await.unwrap();
        buf = &buf[n..];
    }
}

fn what_is_written_is_read<P: Place>() {
    P::run(|| {
        let (near, far) = tcp_pair();
        let peer = P::spawn(move || {
            let mut far = Async::new(far);
            block_on(async {
                let mut buf = [0; 3];
                loop {
                    match far.read(&mut buf).await.unwrap() {
                        0 => break,
                        n => write_all(&mut far, &buf[..n]).await,
                    }
                }
            });
        });
        let mut near = Async::new(near);
        block_on(async {
            for round in 0..100u32 {
                let message = round.to_ne_bytes();
                let parts = [IoSlice::new(&message[..1]), IoSlice::new(&message[1..])];
                assert_eq!(near.write_vectored(&parts).await.unwrap(), 4);
                let mut answer = [0; 4];
                read_exact(&mut near, &mut answer).await;
                assert_eq!(answer, message);
            }
        });
        // Directly again, in blocking mode as it always was.
        let mut near = near.into_inner();
        near.write_all(b"last").unwrap();
        let mut answer = [0; 4];
        near.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"last");
        drop(near);
        peer();
    });
}

fn writers_wait_for_room<P: Place>() {
    const LEN: usize = 4 << 20;
    P::run(|| {
        let (near, far) = UnixStream::pair().unwrap();
        let peer = P::spawn(move || {
            let mut far = Async::new(far);
            let (mut total, mut sum, mut buf) = (0, 0u64, vec![0; 64 << 10]);
            block_on(async {
                loop {
                    let n = far.read(&mut buf).await.unwrap();
                    if n == 0 {
                        break;
                    }
                    total += n;
                    sum += buf[..n].iter().map(|&byte| u64::from(byte)).sum::<u64>();
                }
            });
            (total, sum)
        });
        let mut random = Random::seeded(7);
        let data: Vec<u8> = (0..LEN).map(|_| random.next() as u8).collect();
        let mut near = Async::new(near);
        block_on(write_all(&mut near, &data));
        drop(near);
        assert_eq!(peer(), (LEN, data.iter().map(|&byte| u64::from(byte)).sum()));
    });
}

fn a_read_that_is_dropped_has_taken_nothing<P: Place>() {
    P::run(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Async::new(near);
        assert_eq!(poll_once(near.read(&mut [])).map(Result::unwrap), Poll::Ready(0), "no room, no wait");
        for _ in 0..20 {
            let mut buf = [0; 8];
            assert!(poll_once(near.read(&mut buf)).is_pending());
            assert!(poll_once(near.read(&mut buf)).is_pending());
            far.write_all(b"x").unwrap();
            assert_eq!(block_on(near.read(&mut buf)).unwrap(), 1);
        }
        // Closing is seen at once, although a wait was in progress.
        assert!(poll_once(near.read(&mut [0; 8])).is_pending());
        drop(near);
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
    });
}

fn sleeps_end_in_order_and_not_early<P: Place>() {
    P::run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let begin = Instant::now();
        let sleepers: Vec<_> = [30u64, 10, 20, 0]
            .into_iter()
            .map(|ms| {
                let order = order.clone();
                P::spawn(move || {
                    block_on(sleep_until(begin + Duration::from_millis(ms)));
                    assert!(begin.elapsed() >= Duration::from_millis(ms));
                    order.lock().unwrap().push(ms);
                })
            })
            .collect();
        sleepers.into_iter().for_each(|join| join());
        // Those of different threads may be told in time and scheduled late, so only that all came.
        let mut order = order.lock().unwrap().clone();
        order.sort_unstable();
        assert_eq!(order, [0, 10, 20, 30]);

        let mut late = sleep(Duration::from_secs(3600));
        assert!(poll_once(&mut late).is_pending());
        late.reset(Instant::now() + Duration::from_millis(1));
        block_on(&mut late);
        late.reset(Instant::now() + Duration::from_secs(3600));
        assert!(poll_once(&mut late).is_pending());
        drop(late);
        assert!(poll_once(sleep(Duration::MAX)).is_pending(), "never");
    });
}

fn readiness_without_transfer<P: Place>() {
    P::run(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Async::new(near);
        block_on(near.writable()).unwrap();
        assert!(poll_once(near.readable()).is_pending());
        let writer = P::spawn(move || {
            P::pause();
            far.write_all(b"now").unwrap();
            far
        });
        block_on(near.readable()).unwrap();
        assert_eq!(poll_once(near.read(&mut [0; 8])).map(Result::unwrap), Poll::Ready(3));
        drop(writer());
        assert_eq!(block_on(near.read(&mut [0; 8])).unwrap(), 0);
    });
}

#[test]
fn a_wait_that_was_begun_on_a_fiber_goes_on_on_a_thread_and_back() {
    runtime(1).run(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Async::new(near);
        let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        assert!(poll_with(near.read(&mut [0; 8]), &first.clone().into()).is_pending());
        let mut pause = begun(Duration::from_millis(5), Waker::noop());
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn({
            let second = second.clone();
            move || {
                assert!(poll_with(near.read(&mut [0; 8]), &second.clone().into()).is_pending());
                block_on(&mut pause);
                // Begun here, by the watchman.
                let other = begun(Duration::from_millis(5), Waker::noop());
                drop(sender.send((near, other)));
            }
        });
        let (mut near, other) = receiver.recv().unwrap();
        block_on(other);
        far.write_all(b"abc").unwrap();
        eventually("the last waker was called", || second.0.load(SeqCst) == 1);
        assert_eq!(first.0.load(SeqCst), 0, "who polled first is not asked any more");
        assert_eq!(block_on(near.read(&mut [0; 8])).unwrap(), 3);
    });
}

#[test]
fn a_wait_is_taken_back_from_elsewhere() {
    runtime(2).run(|| {
        for _ in 0..10 {
            // Begun on a fiber, dropped on a thread.
            let (near, mut far) = tcp_pair();
            let mut near = Async::new(near);
            let mut pause = sleep(Duration::from_secs(3600));
            assert!(poll_once(near.read(&mut [0; 8])).is_pending());
            assert!(poll_once(&mut pause).is_pending());
            std::thread::spawn(move || drop((near, pause)));
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);

            // On a thread, on a fiber.
            let (near, mut far) = tcp_pair();
            let mut near = Async::new(near);
            let (sender, receiver) = oneshot::channel();
            std::thread::spawn(move || {
                assert!(poll_once(near.read(&mut [0; 8])).is_pending());
                drop(sender.send(near));
            });
            drop(receiver.recv().unwrap());
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);

            // On a fiber, on one of perhaps another worker.
            let (near, mut far) = tcp_pair();
            let mut near = Async::new(near);
            assert!(poll_once(near.read(&mut [0; 8])).is_pending());
            fiber::spawn(move || drop(near));
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn futures_outlive_the_runtime_that_waited_for_them() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let first = runtime(1);
    let (mut near, mut pause, mut far) = first.run(|| {
        let (near, far) = UnixStream::pair().unwrap();
        let mut near = Async::new(near);
        assert!(poll_once(near.read(&mut [0; 8])).is_pending());
        let pause = begun(Duration::from_millis(20), Waker::noop());
        (near, pause, far)
    });
    let waiting = std::thread::spawn(move || {
        let mut buf = [0; 8];
        let n = block_on(poll_fn(|context| {
            let polled = pin!(near.read(&mut buf)).poll(context);
            let _ = sender.send(());
            polled
        }));
        assert_eq!(n.unwrap(), 3);
        block_on(&mut pause);
    });
    receiver.recv().unwrap();
    first.shut_down();
    // It was told, and has another wait for it.
    receiver.recv().unwrap();
    far.write_all(b"abc").unwrap();
    waiting.join().unwrap();
}

#[test]
fn a_cancelled_fiber_leaves_its_future_and_closes_the_stream() {
    runtime(1).run(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let fiber = fiber::spawn(move || block_on(Async::new(near).read(&mut [0; 8])).map(drop));
        until_waiting(&here(), &fiber.fiber(), Reason::Future);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
        assert!(timeout(Duration::from_millis(2), || block_on(sleep(Duration::from_secs(3600)))).is_err());
    });
}

#[test]
fn a_stream_that_never_waits_gives_way() {
    runtime(1).run(|| {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut far = Async::new(far);
        let turn = Arc::new(AtomicUsize::new(0));
        let other = fiber::spawn({
            let turn = turn.clone();
            move || turn.store(1, SeqCst)
        });
        block_on(async {
            // Each read finds something, so nothing makes this fiber wait but its share.
            for _ in 0..100_000 {
                near.write_all(b"x").unwrap();
                far.read(&mut [0; 1]).await.unwrap();
                if turn.load(SeqCst) == 1 {
                    return;
                }
            }
            panic!("the other fiber had no turn");
        });
        other.join().unwrap();
    });
}

#[test]
fn polling_does_not_suspend() {
    runtime(1).run(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Async::new(near);
        fiber::no_suspend(|| {
            assert!(poll_once(near.read(&mut [0; 8])).is_pending());
            let full = (0..10_000).find(|_| poll_once(near.write(&[0; 4096])).is_pending());
            assert!(full.is_some(), "there was room for everything");
            assert!(poll_once(sleep(Duration::from_secs(3600))).is_pending());
        });
        let mut buf = vec![0; 1 << 20];
        assert!(far.read(&mut buf).unwrap() > 0);
        block_on(near.write(b"x")).unwrap();
    });
}

/// Polls and drops streams while it is called, wherever that is.
struct Busy(Mutex<Option<(Async<UnixStream>, Sleep)>>, AtomicUsize);

impl Wake for Busy {
    fn wake(self: Arc<Self>) {
        if let Some((mut stream, mut pause)) = self.0.lock().unwrap().take() {
            let _ = poll_once(stream.read(&mut [0; 1]));
            assert!(poll_once(stream.read(&mut [0; 1])).is_pending());
            assert!(poll_once(Pin::new(&mut pause)).is_pending());
            drop((stream, pause));
            self.1.fetch_add(1, SeqCst);
            panic!("a waker that panics ends nothing");
        }
    }
}

#[test]
fn wakers_may_do_as_they_like() {
    runtime(1).run(|| {
        for by_time in [false, true] {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut near = Async::new(near);
            let busy = Arc::new(Busy(Mutex::new(None), AtomicUsize::new(0)));
            assert!(poll_with(near.read(&mut [0; 1]), &busy.clone().into()).is_pending());
            let long = sleep(Duration::from_secs(3600));
            *busy.0.lock().unwrap() = Some((near, long));
            let _soon = by_time.then(|| begun(Duration::from_millis(1), &busy.clone().into()));
            if !by_time {
                far.write_all(b"x").unwrap();
            }
            eventually("the waker was called", || busy.1.load(SeqCst) == 1);
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0, "it has dropped the stream");
        }
    });
}

#[test]
fn errors_are_those_of_the_stream() {
    runtime(1).run(|| {
        let (near, far) = tcp_pair();
        drop(near);
        let mut far = Async::new(far);
        let error = block_on(async {
            loop {
                if let Err(error) = far.write(b"to nobody").await {
                    return error;
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    });
}
