//! Copying from connections into pipes, and from pipes to connections.

use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern};
use crate::on_fibers::{is_cancelled, on_one_worker};
use crate::runtime::{DriverKind, Handle, Reason, State};
use crate::sys::splice::ready;
use crate::time::{sleep, timeout};
use crate::{io as ours, spawn};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// A connection of each kind: one end of the kind under test, the other of std's.
macro_rules! pairs {
    ($lib:ident) => {{
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = $lib::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let local = $lib::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(near));
        ((tcp, listener.accept().unwrap().0), (local, far))
    }};
}

/// The same for a connection of each kind, with its end under test and its other end.
macro_rules! each {
    ($lib:ident, |$near:ident, $far:ident| $body:expr) => {{
        let (tcp, local) = pairs!($lib);
        #[allow(unused_mut)]
        let with_tcp = {
            let (mut $near, mut $far) = tcp;
            $body
        };
        #[allow(unused_mut)]
        let with_local = {
            let (mut $near, mut $far) = local;
            $body
        };
        [with_tcp, with_local]
    }};
}

/// Joins without holding the worker: a file that an operation of a ring has used is kept by the kernel until the worker next comes to its ring, if
/// the operation was done by a thread of the kernel's and that was last to let it go. Then nobody at the other end sees it closed.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    while !thread.is_finished() {
        sleep(Duration::from_millis(1));
    }
    thread.join().unwrap()
}

conformance! {@ std, crate;
    /// In pieces of odd sizes, more than the pipe holds, up to the end; the other direction goes on after that.
    fn from_a_connection_into_a_pipe(lib) -> Vec<[(u64, bool, usize); 2]> {
        [0, 1, 70_000, 1_000_003].map(|len| each!(lib, |near, far| {
            let data = pattern(len);
            let (mut reader, mut writer) = lib::io::pipe().unwrap();
            thread::scope(|scope| {
                let (data, mut back) = (&data, [0; 8]);
                let peer = scope.spawn(move || {
                    data.chunks(30_011).for_each(|piece| far.write_all(piece).unwrap());
                    far.shutdown(Shutdown::Write).unwrap();
                    far.read(&mut back).unwrap()
                });
                let received = scope.spawn(move || {
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).unwrap();
                    all
                });
                let copied = lib::io::copy(&mut &near, &mut writer).unwrap();
                drop(writer);
                near.write_all(b"still").unwrap();
                (copied, join(received) == *data, join(peer))
            })
        })).into()
    }

    fn from_a_pipe_to_a_connection(lib) -> Vec<[(u64, bool, usize); 2]> {
        [0, 1, 70_000, 1_000_003].map(|len| each!(lib, |near, far| {
            let data = pattern(len);
            let (mut reader, mut writer) = lib::io::pipe().unwrap();
            thread::scope(|scope| {
                let data = &data;
                scope.spawn(move || data.chunks(30_011).for_each(|piece| writer.write_all(piece).unwrap()));
                let received = scope.spawn(move || {
                    let mut all = Vec::new();
                    far.read_to_end(&mut all).unwrap();
                    far.write_all(b"back").unwrap();
                    all
                });
                let copied = lib::io::copy(&mut reader, &mut &near).unwrap();
                near.shutdown(Shutdown::Write).unwrap();
                (copied, join(received) == *data, near.read(&mut [0; 8]).unwrap())
            })
        })).into()
    }

    /// The peer closes with data unread, and a copy waits.
    fn a_reset_ends_a_copy(lib) -> [Result<u64, Failure>; 2] {
        each!(lib, |near, far| {
            let (_reader, mut writer) = lib::io::pipe().unwrap();
            near.write_all(b"unread").unwrap();
            // So that it is there before the end is.
            far.read_exact(&mut [0; 1]).unwrap();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(10));
                    drop(far);
                });
                outcome(lib::io::copy(&mut near, &mut writer))
            })
        })
    }

    fn nobody_reads_the_pipe(lib) -> [Result<u64, Failure>; 2] {
        each!(lib, |near, far| {
            let (reader, mut writer) = lib::io::pipe().unwrap();
            drop(reader);
            thread::scope(|scope| {
                // Without end: a process that was just forked elsewhere may have the other end of the pipe, too, for a moment.
                scope.spawn(move || while far.write_all(&[1; 1000]).is_ok() {});
                let result = outcome(lib::io::copy(&mut near, &mut writer));
                drop(near);
                result
            })
        })
    }

    fn nobody_reads_the_connection(lib) -> Result<u64, Failure> {
        let (_, (mut near, far)) = pairs!(lib);
        let (mut reader, mut writer) = lib::io::pipe().unwrap();
        drop(far);
        writer.write_all(b"data").unwrap();
        outcome(lib::io::copy(&mut reader, &mut near))
    }

    /// The limits of the connection hold, for both of its directions.
    fn limits_of_the_connection(lib) -> [[Result<u64, Failure>; 2]; 2] {
        each!(lib, |near, _far| {
            let (mut reader, mut writer) = lib::io::pipe().unwrap();
            near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            near.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
            let silent = outcome(lib::io::copy(&mut near, &mut writer));
            thread::scope(|scope| {
                scope.spawn(move || while writer.write_all(&[1; 65_536]).is_ok() {});
                let full = outcome(lib::io::copy(&mut reader, &mut near));
                drop(reader);
                [silent, full]
            })
        })
    }

    /// What does not wait says so, whichever end it is.
    fn ends_in_non_blocking_mode(lib) -> [[Result<u64, Failure>; 3]; 2] {
        each!(lib, |near, far| {
            let (mut reader, mut writer) = lib::io::pipe().unwrap();
            let plain = |fd: &dyn AsFd| {
                let flags = libc::O_NONBLOCK;
                // SAFETY: no memory is passed.
                assert_eq!(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFL, flags) }, 0);
            };
            near.set_nonblocking(true).unwrap();
            let silent = outcome(lib::io::copy(&mut near, &mut writer));
            near.set_nonblocking(false).unwrap();
            plain(&reader);
            // A type that looks at the mode looks when it is made.
            let mut reader = lib::io::PipeReader::from(std::os::fd::OwnedFd::from(reader));
            let empty = outcome(lib::io::copy(&mut reader, &mut near));
            writer.write_all(&[1; 65_536]).unwrap();
            plain(&writer);
            let mut writer = lib::io::PipeWriter::from(std::os::fd::OwnedFd::from(writer));
            far.write_all(b"data").unwrap();
            [silent, empty, outcome(lib::io::copy(&mut near, &mut writer))]
        })
    }
}

/// Waits until a fiber waits in a copy, by the kernel or through a buffer.
fn until_copying() {
    let copies = || {
        let reasons = [Reason::Copy, Reason::Read, Reason::PipeWrite].map(State::Waiting);
        let dump = Handle::try_current().unwrap().dump();
        dump.fibers().iter().any(|fiber| reasons.contains(&fiber.state()))
    };
    while !copies() {
        sleep(Duration::from_micros(100));
    }
}

/// Cancelled and out of time, while there is nothing, and while there is no room.
#[test]
fn waits_end_early() {
    on_one_worker(|| {
        let (tcp, local) = pairs!(crate);
        let streams: [(Box<dyn Fn(&mut ours::PipeWriter) -> std::io::Result<u64> + Send + Sync>, Box<dyn Write>); 2] = [
            (Box::new(move |to| ours::copy(&mut &tcp.0, to)), Box::new(tcp.1)),
            (Box::new(move |to| ours::copy(&mut &local.0, to)), Box::new(local.1)),
        ];
        for (copy, mut peer) in streams {
            let copy = &copy;
            let (_reader, mut full) = ours::pipe().unwrap();
            let (_empty, writer) = ours::pipe().unwrap();
            crate::scope(|scope| {
                let mut to = writer.try_clone().unwrap();
                let nothing = scope.spawn(move || copy(&mut to));
                until_copying();
                nothing.cancel();
                assert!(is_cancelled(&nothing.join().unwrap().unwrap_err()));
                let mut to = writer.try_clone().unwrap();
                let late = timeout(Duration::from_millis(5), || copy(&mut to)).unwrap();
                assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);

                full.write_all(&[0; 65_536]).unwrap();
                peer.write_all(b"no room").unwrap();
                let mut to = full.try_clone().unwrap();
                let no_room = scope.spawn(move || copy(&mut to));
                until_copying();
                no_room.cancel();
                assert!(is_cancelled(&no_room.join().unwrap().unwrap_err()));
                peer.write_all(b"no room").unwrap();
                let late = timeout(Duration::from_millis(5), || copy(&mut full)).unwrap();
                assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
            });
        }
    });
}

/// What a cancelled copy by the kernel has not brought to the pipe is still in the connection.
#[test]
fn a_cancelled_copy_loses_nothing() {
    on_fiber(|| {
        let ((tcp, tcp_peer), (local, local_peer)) = pairs!(crate);
        resumed(local, local_peer);
        // Where there are no such operations it goes through a buffer.
        if Handle::try_current().unwrap().driver() == DriverKind::IoUring {
            resumed(tcp, tcp_peer);
        }
    });
}

fn resumed<S: Read + Send + 'static>(mut stream: S, mut peer: impl Write + Send + 'static) {
    let data = pattern(300_000);
    let sending = {
        let data = data.clone();
        thread::spawn(move || peer.write_all(&data).unwrap())
    };
    let (mut reader, mut writer) = ours::pipe().unwrap();
    let copying = {
        let mut writer = writer.try_clone().unwrap();
        spawn(move || {
            let cancelled = ours::copy(&mut stream, &mut writer).unwrap_err();
            (stream, cancelled)
        })
    };
    while ready(reader.as_fd(), writer.as_fd()).1 {
        sleep(Duration::from_micros(100));
    }
    copying.cancel();
    let (mut stream, error) = copying.join().unwrap();
    assert!(is_cancelled(&error));
    let collecting = spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    ours::copy(&mut stream, &mut writer).unwrap();
    drop(writer);
    assert!(collecting.join().unwrap() == data);
    sending.join().unwrap();
}
