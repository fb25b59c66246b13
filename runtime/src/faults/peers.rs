//! Sockets and pipes.

use super::{Notes, survives};
use crate::conformance::pattern;
use crate::io::pipe;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::on_fibers::is_cancelled;
use crate::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// More than a pipe holds, or the socket of a connection on this machine.
fn much() -> &'static [u8] {
    static MUCH: OnceLock<Vec<u8>> = OnceLock::new();
    MUCH.get_or_init(|| pattern(300_000))
}

/// Sends back what comes, up to the end.
fn echo(notes: &Notes, stream: &mut (impl Read + Write)) {
    loop {
        let data = notes.take(stream, 1 << 16);
        if data.is_empty() {
            return;
        }
        notes.put(stream, &data);
    }
}

/// Sends, in pieces of several sizes and at once with another fiber that receives, and compares.
fn talk(notes: &Notes, out: &mut (impl Write + Send), back: &mut (impl Read + Send), end: impl FnOnce() + Send) {
    let data = much();
    crate::scope(|scope| {
        scope.spawn(move || {
            let (small, large) = data.split_at(1000);
            notes.put(out, small);
            let (one, two) = large.split_at(70_001);
            let parts = [IoSlice::new(&one[..1]), IoSlice::new(&one[1..])];
            let mut sent = notes.transfer(|| out.write_vectored(&parts));
            while sent < one.len() {
                sent += notes.transfer(|| out.write(&one[sent..]));
            }
            notes.put(out, two);
            end();
        });
        scope.spawn(move || {
            assert!(notes.take(back, data.len() + 1) == data, "every byte comes back, once");
        });
    });
}

/// Echoes on every connection, until the clients are done. There may be more connections than clients that know of one: a call that
/// connects may fail when the connection has been made.
fn serve<L: Sync, S: Read + Write + Send>(
    notes: &Notes,
    listener: &L,
    accept: impl Fn(&L) -> io::Result<S> + Sync,
    clients: impl FnOnce(),
) {
    crate::scope(|scope| {
        let accept = &accept;
        let server = scope.spawn(move || {
            loop {
                match accept(listener) {
                    Ok(mut stream) => drop(scope.spawn(move || echo(notes, &mut stream))),
                    Err(error) if is_cancelled(&error) => return,
                    Err(error) => notes.note(error),
                }
            }
        });
        clients();
        server.cancel();
    });
}

#[test]
fn tcp() {
    survives(module_path!(), "tcp", |notes| {
        let listener = notes.again(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let address = listener.local_addr().unwrap();
        serve(
            notes,
            &listener,
            |listener| listener.accept().map(|it| it.0),
            || {
                let stream = notes.again(|| TcpStream::connect(address));
                talk(notes, &mut &stream, &mut &stream, || stream.shutdown(Shutdown::Write).unwrap());
            },
        );
    });
}

#[test]
fn local_streams() {
    survives(module_path!(), "local_streams", |notes| {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let path = notes.folder.join(format!("socket-{}", NEXT.fetch_add(1, Relaxed)));
        let listener = notes.again(|| UnixListener::bind(&path));
        serve(
            notes,
            &listener,
            |listener| listener.accept().map(|it| it.0),
            || {
                let stream = notes.again(|| UnixStream::connect(&path));
                talk(notes, &mut &stream, &mut &stream, || stream.shutdown(Shutdown::Write).unwrap());
            },
        );
        std::fs::remove_file(path).unwrap();
    });
}

/// Several connections at once: whatever happens to one, the others go on.
#[test]
fn many_connections() {
    survives(module_path!(), "many_connections", |notes| {
        let listener = notes.again(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let address = listener.local_addr().unwrap();
        serve(
            notes,
            &listener,
            |listener| listener.accept().map(|it| it.0),
            || {
                crate::scope(|scope| {
                    for number in 0..6_u8 {
                        scope.spawn(move || {
                            let mut stream = notes.again(|| TcpStream::connect(address));
                            notes.put(&mut stream, &[number; 3]);
                            stream.shutdown(Shutdown::Write).unwrap();
                            assert_eq!(notes.take(&mut stream, 10), [number; 3]);
                        });
                    }
                });
            },
        );
    });
}

/// Datagrams keep their order and none is doubled, although there is never room for all.
#[test]
fn datagrams() {
    survives(module_path!(), "datagrams", |notes| {
        let (from, to) = notes.again(UnixDatagram::pair);
        crate::scope(|scope| {
            scope.spawn(move || {
                for number in 0..40_u8 {
                    let data = vec![number; 5000 + usize::from(number)];
                    assert_eq!(notes.transfer(|| from.send(&data)), data.len());
                }
            });
            scope.spawn(move || {
                let mut buf = vec![0; 10_000];
                for number in 0..40_u8 {
                    let len = notes.transfer(|| to.recv(&mut buf));
                    assert_eq!(buf[..len], vec![number; 5000 + usize::from(number)]);
                }
            });
        });
        let (one, two) = (local(notes), local(notes));
        let address = two.local_addr().unwrap();
        crate::scope(|scope| {
            scope.spawn(|| {
                for number in 0..4_u8 {
                    let mut buf = [0; 10];
                    let (len, from) = notes.transfer(|| two.recv_from(&mut buf));
                    assert_eq!((&buf[..len], from), (&[number; 7][..], one.local_addr().unwrap()));
                    notes.transfer(|| two.send_to(&buf[..1], from));
                }
            });
            for number in 0..4_u8 {
                notes.transfer(|| one.send_to(&[number; 7], address));
                let mut buf = [0; 10];
                assert_eq!(notes.transfer(|| one.recv(&mut buf)), 1);
                assert_eq!(buf[0], number);
            }
        });
    });
}

fn local(notes: &Notes) -> UdpSocket {
    notes.again(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
}

#[test]
fn pipes() {
    survives(module_path!(), "pipes", |notes| {
        let (mut reader, mut writer) = notes.again(pipe);
        talk_one_way(notes, &mut writer, &mut reader);
        drop(writer);
        assert!(notes.take(&mut reader, 1).is_empty());
    });
}

fn talk_one_way(notes: &Notes, out: &mut (impl Write + Send), back: &mut (impl Read + Send)) {
    let data = much();
    crate::scope(|scope| {
        scope.spawn(move || {
            for piece in data.chunks(100_000) {
                notes.put(out, piece);
            }
        });
        scope.spawn(move || {
            assert!(notes.take(back, data.len()) == data, "every byte comes through, once");
        });
    });
}

/// What std's adaptors make of an error: it is passed on, and what came before is there.
#[test]
fn adaptors() {
    survives(module_path!(), "adaptors", |notes| {
        let (reader, writer) = notes.again(pipe);
        crate::scope(|scope| {
            scope.spawn(move || {
                let mut writer = io::BufWriter::with_capacity(64, writer);
                for number in 0..200 {
                    let line = format!("this is line {number}\n");
                    // A line goes in as a whole: it fits into the buffer once that was written out.
                    if writer.buffer().len() + line.len() > 64 {
                        notes.again(|| writer.flush());
                    }
                    writer.write_all(line.as_bytes()).unwrap();
                }
                notes.again(|| writer.flush());
            });
            let mut reader = io::BufReader::with_capacity(50, reader);
            let mut number = 0;
            loop {
                let mut line = String::new();
                let mut read = 0;
                notes.again(|| io::BufRead::read_line(&mut reader, &mut line).inspect(|&n| read = n));
                if line.is_empty() && read == 0 {
                    break;
                }
                assert_eq!(line, format!("this is line {number}\n"));
                number += 1;
            }
            assert_eq!(number, 200);
        });
    });
}
