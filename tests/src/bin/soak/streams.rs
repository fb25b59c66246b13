//! Pipes and sockets.

use crate::random::{Random, byte, is_interruption};
use crate::verified;
use fiber::net::{TcpListener, TcpStream, UdpSocket};
use fiber::os::unix::net::{UnixListener, UnixStream};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const MOST: usize = 400_000;

/// Sends so much, in random pieces and with random time limits; returns how much it was told was sent, which is less when its fiber is to
/// end or the other end has gone.
fn send(random: &mut Random, to: &mut impl Write, stream: u64, total: usize) -> u64 {
    let mut sent = 0;
    let mut interrupted = 0;
    while sent < total as u64 && interrupted < 100 {
        let len = random.length(MOST).min(total - sent as usize);
        let data: Vec<u8> = (sent..sent + len as u64).map(|at| byte(stream, at)).collect();
        let written = match random.below(3) {
            0 => fiber::time::timeout(random.moment(), || to.write(&data)),
            _ => Ok(to.write(&data)),
        };
        match written {
            Ok(Ok(written)) => sent += written as u64,
            Ok(Err(error)) if is_interruption(&error) => interrupted += 1,
            Ok(Err(error)) if is_end(&error) => break,
            Ok(Err(error)) => panic!("writing: {error:?}"),
            // It had not begun.
            Err(_) => interrupted += 1,
        }
    }
    sent
}

/// Receives up to the end, and compares; returns how much it was.
fn receive(random: &mut Random, from: &mut impl Read, stream: u64) -> u64 {
    let mut received = 0;
    let mut interrupted = 0;
    let mut buf = vec![0; MOST];
    while interrupted < 10_000 {
        let len = random.length(MOST);
        let read = match random.below(3) {
            0 => fiber::time::timeout(random.moment(), || from.read(&mut buf[..len])),
            _ => Ok(from.read(&mut buf[..len])),
        };
        match read {
            Ok(Ok(0)) => break,
            Ok(Ok(read)) => {
                let right = buf[..read].iter().enumerate().all(|(i, &it)| it == byte(stream, received + i as u64));
                assert!(right, "wrong bytes after {received} of stream {stream:#x}");
                received += read as u64;
                verified(read);
            }
            Ok(Err(error)) if is_interruption(&error) => interrupted += 1,
            Ok(Err(error)) if is_end(&error) => break,
            Ok(Err(error)) => panic!("reading: {error:?}"),
            Err(_) => interrupted += 1,
        }
    }
    received
}

/// Whether the other end has gone.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected)
}

pub(crate) fn pipe(random: &mut Random) {
    let Ok((mut reader, mut writer)) = fiber::io::pipe() else { panic!("there are descriptors for a pipe") };
    let (stream, total) = (random.next(), random.length(MOST));
    let (mut one, mut two) = (random.split(), random.split());
    let (sent, received) = fiber::scope(|scope| {
        let sending = scope.spawn(move || send(&mut one, &mut writer, stream, total));
        let received = receive(&mut two, &mut reader, stream);
        // Nobody else reads what may be left.
        drop(reader);
        (sending.join().ok(), received)
    });
    assert!(sent.is_none_or(|sent| received <= sent), "{received} of {sent:?} bytes");
}

pub(crate) fn tcp(random: &mut Random) {
    let Some(listener) = random.try_for(|| TcpListener::bind("127.0.0.1:0")) else { return };
    let address = listener.local_addr().expect("an address");
    let mut own = random.split();
    fiber::scope(|scope| {
        let accepting = scope.spawn(move || listener.accept());
        let connect = || match TcpStream::connect(address) {
            // The fiber that accepts has been cancelled with its scope, and the listener went with it.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
            result => result.map(Some),
        };
        let Some(client) = own.try_for(connect).flatten() else {
            accepting.cancel();
            return;
        };
        let Ok(Ok((server, from))) = accepting.join() else { return };
        if client.local_addr().is_ok_and(|client| client == from) {
            both_ways(&mut own, &client, &server, |stream| stream.shutdown(Shutdown::Write));
        }
    });
}

pub(crate) fn local(random: &mut Random, folder: &Path) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if random.below(2) == 0 {
        let Ok((one, two)) = UnixStream::pair() else { panic!("there are descriptors for a pair") };
        return both_ways(random, &one, &two, |stream| stream.shutdown(Shutdown::Write));
    }
    struct Removed(std::path::PathBuf);
    impl Drop for Removed {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
    let path = Removed(folder.join(format!("socket-{}", NEXT.fetch_add(1, Relaxed))));
    let Some(listener) = random.try_for(|| UnixListener::bind(&path.0)) else { return };
    let mut own = random.split();
    fiber::scope(|scope| {
        let path = &path;
        let connecting = scope.spawn(move || UnixStream::connect(&path.0));
        let accepted = own.try_for(|| listener.accept());
        if let (Some((server, _)), Ok(Ok(client))) = (accepted, connecting.join()) {
            both_ways(&mut own, &client, &server, |stream| stream.shutdown(Shutdown::Write));
        }
    });
}

/// Both ends send and receive at once; sometimes one goes before it has read everything.
fn both_ways<S: Sync>(random: &mut Random, one: &S, two: &S, end: impl Fn(&S) -> io::Result<()> + Sync)
where
    for<'a> &'a S: Read + Write,
{
    let streams = [random.next(), random.next()];
    let totals = [random.length(MOST), random.length(MOST)];
    let end = &end;
    let mut randoms = [random.split(), random.split(), random.split(), random.split()];
    let [first, second, third, fourth] = &mut randoms;
    let counts = fiber::scope(|scope| {
        let one_sends = scope.spawn(move || {
            let sent = send(first, &mut &*one, streams[0], totals[0]);
            let _ = end(one);
            sent
        });
        let two_sends = scope.spawn(move || {
            let sent = send(second, &mut &*two, streams[1], totals[1]);
            let _ = end(two);
            sent
        });
        let two_receives = scope.spawn(move || receive(third, &mut &*two, streams[0]));
        let one_receives = scope.spawn(move || receive(fourth, &mut &*one, streams[1]));
        [(one_sends.join(), two_receives.join()), (two_sends.join(), one_receives.join())]
    });
    for (sent, received) in counts {
        if let (Ok(sent), Ok(received)) = (sent, received) {
            assert_eq!(sent, received, "what was sent arrives");
        }
    }
}

/// Questions and answers; those that are lost, for want of room, are asked again.
pub(crate) fn datagrams(random: &mut Random) {
    let (Ok(one), Ok(two)) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0")) else {
        panic!("there are descriptors for sockets")
    };
    let (from, to) = (one.local_addr().expect("an address"), two.local_addr().expect("an address"));
    let mut own = random.split();
    fiber::scope(|scope| {
        let answering = scope.spawn(move || {
            let mut buf = vec![0; 10_000];
            while let Ok((len, from)) = two.recv_from(&mut buf) {
                if two.send_to(&buf[..len], from).is_err() {
                    return;
                }
            }
        });
        assert_eq!(from, one.local_addr().expect("an address"));
        for number in 0..own.below(20) {
            let data: Vec<u8> = (0..own.length(9000) as u64).map(|at| byte(number, at)).collect();
            let mut asked = 0;
            let mut buf = vec![0; 10_000];
            let answered = loop {
                if own.try_for(|| one.send_to(&data, to)).is_some() {
                    asked += 1;
                }
                let answer = fiber::time::timeout(std::time::Duration::from_millis(20), || one.recv(&mut buf));
                match answer {
                    Ok(Ok(len)) if buf[..len] == data => break true,
                    // An answer to an earlier question that was asked twice.
                    Ok(Ok(_)) => (),
                    Ok(Err(error)) if is_interruption(&error) => (),
                    Ok(Err(error)) => panic!("receiving: {error:?}"),
                    Err(_) => (),
                }
                if asked > 20 {
                    break false;
                }
            };
            if answered {
                verified(data.len());
            }
        }
        answering.cancel();
    });
}
