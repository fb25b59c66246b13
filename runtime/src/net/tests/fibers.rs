//! What a fiber does and a thread does not: wait beside its siblings, be cancelled, run out of time.

use super::{fill, local_pair, on_fiber, pattern};
use crate::fiber::stack::child::{assert_passed, rerun};
use crate::net::{self, Shutdown, SocketAddr, TcpListener, TcpStream};
use crate::on_fibers::{is_cancelled, on_one_worker, until_it_waits};
use crate::time::{sleep, timeout};
use crate::{JoinHandle, spawn, yield_now};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);

/// Both ends of this crate's kind.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Lets the other fibers of the worker come to their waits.
fn let_others_wait() {
    sleep(Duration::from_millis(5));
}

/// How many descriptors the process has.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Cancels a fiber in its wait and returns the error that the wait gave.
fn cancelled<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Error {
    let fiber: JoinHandle<io::Result<T>> = spawn(f);
    until_it_waits(&fiber);
    fiber.cancel();
    fiber.join().expect("the first wait gives an error").err().expect("it was cancelled")
}

#[test]
fn every_wait_leaves_the_worker_to_others() {
    on_one_worker(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            peer.peek(&mut request).unwrap();
            peer.read_exact(&mut request).unwrap();
            peer.write_all(&pattern(8 << 20)).unwrap();
        });
        let_others_wait();
        let mut stream = TcpStream::connect(address).unwrap();
        let_others_wait();
        stream.write_all(b"data").unwrap();
        let_others_wait();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, pattern(8 << 20));
        server.join().unwrap();
    });
}

#[test]
fn many_connections_on_one_worker() {
    on_one_worker(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        spawn(move || {
            for peer in listener.incoming() {
                // Cancelled, when the runtime ends.
                let Ok(mut peer) = peer else { return };
                spawn(move || io::copy(&mut peer.try_clone().unwrap(), &mut peer).unwrap());
            }
        });
        let clients: Vec<_> = (0..100usize)
            .map(|client| {
                spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    for round in 0..20 {
                        let request = pattern(1 + (client * 31 + round * 7) % 3000);
                        stream.write_all(&request).unwrap();
                        let mut answer = vec![0; request.len()];
                        stream.read_exact(&mut answer).unwrap();
                        assert_eq!(answer, request);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn two_fibers_share_a_stream() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let data = pattern(6 << 20);
        let echo = spawn(move || {
            let mut writer = far.try_clone().unwrap();
            io::copy(&mut far, &mut writer).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let near = std::sync::Arc::new(near);
        let writer = spawn({
            let (near, data) = (near.clone(), data.clone());
            move || {
                (&*near).write_all(&data).unwrap();
                near.shutdown(Shutdown::Write).unwrap();
            }
        });
        let mut back = Vec::new();
        (&*near).read_to_end(&mut back).unwrap();
        writer.join().unwrap();
        echo.join().unwrap();
        assert!(back == data);
    });
}

/// A stream that always has data must not keep the worker from its siblings.
#[test]
fn a_stream_that_is_always_ready_is_interrupted() {
    on_one_worker(|| {
        let (mut near, mut far) = connection();
        far.write_all(&[1; 50_000]).unwrap();
        let greedy = spawn(move || {
            let mut byte = [0];
            (0..50_000).map(|_| near.read(&mut byte).unwrap()).sum::<usize>()
        });
        let mut turns = 0;
        while !greedy.is_finished() {
            turns += 1;
            yield_now();
        }
        assert!(turns >= 10, "{turns} turns while 50,000 reads were made");
        assert_eq!(greedy.join().unwrap(), 50_000);
    });
}

#[test]
fn cancelling_ends_each_kind_of_wait() {
    on_one_worker(|| {
        let (near, far) = connection();
        let near = std::sync::Arc::new(near);
        let error = cancelled({
            let near = near.clone();
            move || (&*near).read(&mut [0; 8])
        });
        assert!(is_cancelled(&error), "{error:?}");
        let error = cancelled({
            let near = near.clone();
            move || near.peek(&mut [0; 8])
        });
        assert!(is_cancelled(&error), "{error:?}");
        let (full, _far) = local_pair!(net);
        fill(&full);
        let error = cancelled(move || (&full).write(&[0; 8]));
        assert!(is_cancelled(&error), "{error:?}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = cancelled(move || listener.accept());
        assert!(is_cancelled(&error), "{error:?}");
        drop(far);
    });
}

/// A cancelled connect does not go on to the next address, and leaves no socket behind.
#[test]
fn cancelling_ends_a_connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: no memory is passed. A second `listen` changes the length of the queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    // There is room for one, which is waited for: on a busy machine the time below may pass before the kernel gets to it.
    let mut waiting = vec![std::net::TcpStream::connect(address).unwrap()];
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
    }
    let good = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let second = good.local_addr().unwrap();
    on_one_worker(move || {
        let both: Vec<SocketAddr> = vec![address, second];
        let error = cancelled(move || TcpStream::connect(&both[..]));
        assert!(is_cancelled(&error), "{error:?}");
        let late = timeout(Duration::from_millis(5), || TcpStream::connect(&[address, second][..]));
        let error = late.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::TimedOut, None));
    });
    good.set_nonblocking(true).unwrap();
    assert_eq!(good.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came to the second address");
}

#[test]
fn what_a_cancelled_read_did_not_take_is_still_there() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let near = std::sync::Arc::new(near);
        for round in 0..50u8 {
            let reader = spawn({
                let near = near.clone();
                move || {
                    let mut buf = [0xFF; 4];
                    (&*near).read(&mut buf).map(|n| buf[..n].to_vec())
                }
            });
            // Everything from "not started" to "has the data already".
            (0..round % 5).for_each(|_| yield_now());
            if round % 3 == 0 {
                far.write_all(&[round]).unwrap();
                reader.cancel();
            } else {
                reader.cancel();
                far.write_all(&[round]).unwrap();
            }
            let got = match reader.join() {
                Ok(Ok(data)) => data,
                // Cancelled in its wait, or before it began.
                Ok(Err(_)) | Err(_) => {
                    let mut byte = [0];
                    (&*near).read_exact(&mut byte).unwrap();
                    byte.to_vec()
                }
            };
            assert_eq!(got, [round], "each byte is read once");
        }
    });
}

#[test]
fn accepting_and_being_cancelled_leaks_no_connection() {
    // In a process of its own: other tests open and close descriptors at the same time.
    if let Some(output) = rerun(module_path!(), "accepting_and_being_cancelled_leaks_no_connection") {
        return assert_passed(&output);
    }
    let before = descriptors();
    let (accepted, refused) = on_one_worker(|| {
        let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..60 {
            let acceptor = spawn({
                let listener = listener.clone();
                move || listener.accept().map(|(stream, _)| stream)
            });
            let pause = |kind| match kind {
                0 => (),
                1 => yield_now(),
                _ => let_others_wait(),
            };
            pause(round % 3);
            let client = std::net::TcpStream::connect(address).unwrap();
            pause(round / 3 % 3);
            acceptor.cancel();
            match acceptor.join() {
                Ok(Ok(stream)) => {
                    assert_eq!(stream.peer_addr().unwrap(), client.local_addr().unwrap());
                    accepted += 1;
                }
                Ok(Err(_)) | Err(_) => {
                    // The connection is still in the queue.
                    assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
                    refused += 1;
                }
            }
        }
        (accepted, refused)
    });
    assert_eq!(accepted + refused, 60);
    assert!(accepted > 0 && refused > 0, "both ends of the race were seen: {accepted} {refused}");
    // A leak of 60 would show.
    assert!(descriptors() < before + 40, "{before} descriptors before, {} after", descriptors());
}

#[test]
fn a_time_limit_around_a_read_is_not_the_sockets() {
    on_one_worker(|| {
        let (mut near, mut far) = connection();
        let error = timeout(Duration::from_millis(5), || near.read(&mut [0; 8])).unwrap().unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::TimedOut, None));
        near.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let error = timeout(LONG, || near.read(&mut [0; 8])).unwrap().unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::WouldBlock, Some(libc::EAGAIN)));
        // Neither has harmed the stream.
        far.write_all(b"fine").unwrap();
        near.read_exact(&mut [0; 4]).unwrap();
    });
}

/// A write that is cancelled halfway says how much went out, so that the peer's view and ours agree.
#[test]
fn a_write_cancelled_halfway_counts_what_it_sent() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let data = pattern(16 << 20);
        let writer = spawn({
            let data = data.clone();
            move || (&near).write(&data)
        });
        until_it_waits(&writer);
        // The kernel may be at it yet.
        let_others_wait();
        writer.cancel();
        let sent = writer.join().unwrap().unwrap();
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), sent);
        assert!(received == data[..sent]);
    });
}

#[test]
fn a_lookup_leaves_the_worker_to_others_and_can_be_cancelled() {
    use crate::net::ToSocketAddrs;
    on_one_worker(|| {
        let lookup = spawn(|| ("localhost", 80).to_socket_addrs().map(|found| found.count()));
        lookup.cancel();
        // Before it began, while it waited, or too late.
        match lookup.join() {
            Ok(Ok(found)) => assert!(found > 0),
            Ok(Err(error)) => assert!(is_cancelled(&error), "{error:?}"),
            Err(error) => assert!(error.is_cancelled(), "{error:?}"),
        }
    });
}

/// Streams of one runtime work in another, and on threads.
#[test]
fn streams_are_not_bound_to_a_runtime() {
    let (near, far) = on_fiber(connection);
    let (near, mut far) = on_one_worker(|| {
        let mut near = near;
        near.write_all(b"elsewhere").unwrap();
        (near, far)
    });
    drop(near);
    let mut all = String::new();
    far.read_to_string(&mut all).unwrap();
    assert_eq!(all, "elsewhere");
}
