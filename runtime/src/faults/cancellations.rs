//! Time limits and cancellations, in the middle of faults.

use super::{Notes, survives};
use crate::io::pipe;
use crate::net::{TcpListener, TcpStream};
use crate::os::unix::net::UnixStream;
use crate::time::{sleep, timeout};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Reads until a time limit ends that, again and again: what a read did not take, the next one finds.
#[test]
fn time_limits_around_reads() {
    survives(module_path!(), "time_limits_around_reads", |notes| {
        let (mut one, mut two) = notes.again(UnixStream::pair);
        let data = crate::conformance::pattern(10_000);
        crate::scope(|scope| {
            let data = &data;
            scope.spawn(move || {
                for piece in data.chunks(2500) {
                    notes.put(&mut one, piece);
                    sleep(Duration::from_micros(700));
                }
            });
            let mut got = Vec::new();
            loop {
                let mut buf = [0; 1024];
                match timeout(Duration::from_micros(400), || two.read(&mut buf)) {
                    Ok(Ok(0)) => break,
                    Ok(Ok(n)) => got.extend_from_slice(&buf[..n]),
                    Ok(Err(error)) => minor(notes, error),
                    Err(_) => (),
                }
            }
            assert!(got == *data, "every byte, once");
        });
    });
}

/// What a time limit says, and what a signal says, is no fault.
fn minor(notes: &Notes, error: io::Error) {
    if !matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) {
        notes.note(error);
    }
}

/// The other end of a connection. Before it may come those of attempts that failed when the connection had been made.
fn until_from(mut accepted: impl Iterator<Item = (TcpStream, SocketAddr)>, client: &TcpStream) -> TcpStream {
    let address = client.local_addr().unwrap();
    accepted.find(|(_, from)| *from == address).unwrap().0
}

/// The socket's own time limits.
#[test]
fn time_limits_of_sockets() {
    survives(module_path!(), "time_limits_of_sockets", |notes| {
        let listener = notes.again(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let address = listener.local_addr().unwrap();
        let mut one = notes.again(|| TcpStream::connect_timeout(&address, Duration::from_secs(50)));
        let mut two = until_from(std::iter::repeat_with(|| notes.again(|| listener.accept())), &one);
        one.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        // It ends with a limit, at once or after a fault.
        let late = (0..3).find(|_| match one.read(&mut [0; 8]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => {
                minor(notes, error);
                false
            }
            Ok(read) => panic!("nothing was sent: {read}"),
        });
        assert!(late.is_some());
        one.set_read_timeout(None).unwrap();
        notes.put(&mut two, b"there");
        assert_eq!(notes.take(&mut one, 5), b"there");
    });
}

/// A fiber that is cancelled while it reads, another that is cancelled while it accepts, a third while it writes to a full pipe: what
/// they did not take is there for others.
#[test]
fn cancelled_waits() {
    survives(module_path!(), "cancelled_waits", |notes| {
        let (reader, mut writer) = notes.again(pipe);
        let listener = notes.again(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let address = listener.local_addr().unwrap();
        crate::scope(|scope| {
            let reading = scope.spawn(|| (&reader).read(&mut [0; 100]));
            let accepting = scope.spawn(|| listener.accept());
            crate::yield_now();
            reading.cancel();
            // Whether they meet is a matter of moments.
            notes.put(&mut writer, b"0123456789");
            let client = scope.spawn(move || notes.again(|| TcpStream::connect(address)));
            accepting.cancel();
            let mut read = match reading.join() {
                Ok(Ok(n)) => n,
                Ok(Err(error)) => {
                    let ended = crate::on_fibers::is_cancelled(&error) || error.kind() == ErrorKind::Interrupted;
                    if !ended {
                        notes.note(error);
                    }
                    0
                }
                Err(_) => 0,
            };
            let accepted = match accepting.join() {
                Ok(Ok(accepted)) => Some(accepted),
                Ok(Err(error)) if crate::on_fibers::is_cancelled(&error) => None,
                Ok(Err(error)) => {
                    notes.note(error);
                    None
                }
                Err(_) => None,
            };
            let client = client.join().unwrap();
            let accepted = accepted.into_iter().chain(std::iter::repeat_with(|| notes.again(|| listener.accept())));
            until_from(accepted, &client);
            drop(writer);
            read += notes.take(&mut &reader, 100).len();
            assert_eq!(read, 10);
        });

        let (mut reader, mut writer) = notes.again(pipe);
        crate::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut written = 0;
                loop {
                    match writer.write(&[7; 5000]) {
                        Ok(n) => written += n,
                        Err(error) if error.kind() == ErrorKind::Interrupted => (),
                        Err(error) if crate::on_fibers::is_cancelled(&error) => return written,
                        Err(error) => notes.note(error),
                    }
                }
            });
            crate::yield_now();
            sleep(Duration::from_micros(200));
            writing.cancel();
            let mut read = 0;
            let written = loop {
                if writing.is_finished() {
                    break writing.join().unwrap();
                }
                crate::yield_now();
            };
            loop {
                let data = notes.take(&mut reader, 1 << 16);
                if data.is_empty() {
                    break;
                }
                assert!(data.iter().all(|&byte| byte == 7));
                read += data.len();
            }
            assert_eq!(read, written, "what was reported as written is there, and nothing else");
        });
    });
}

/// Timers go off whatever happens to operations.
#[test]
fn timers() {
    survives(module_path!(), "timers", |notes| {
        let (mut reader, mut writer) = notes.again(pipe);
        crate::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| sleep(Duration::from_micros(300)));
            }
            let (back, mut out) = (&mut reader, &mut writer);
            scope.spawn(move || {
                sleep(Duration::from_micros(100));
                notes.put(&mut out, b"late");
            });
            assert_eq!(notes.take(back, 4), b"late");
        });
        assert!(timeout(Duration::from_micros(300), || sleep(Duration::from_secs(1000))).is_err());
    });
}
