//! Files to connections.

use super::{outcome, pattern};
use crate::fs::File;
use crate::net::{TcpListener, TcpStream, UnixStream};
use crate::on_fibers::{is_cancelled, on_one_worker, until_waiting};
use crate::runtime::{DriverKind, Handle, Reason};
use crate::spawn;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A file without a name that holds this.
fn file(data: &[u8]) -> File {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"fiber-send-file".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the kernel just gave it to us.
    let mut file = std::fs::File::from(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
    file.write_all(data).unwrap();
    file.seek(std::io::SeekFrom::Start(3)).unwrap();
    File::from(file)
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn arrives(data: &[u8], offset: u64, len: u64, expected: &[u8]) {
    let mut from = file(data);
    let (near, mut far) = connection();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(near.send_file(&from, offset, len).unwrap(), expected.len() as u64);
    assert_eq!(from.stream_position().unwrap(), 3, "the position stays");
    drop(near);
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn parts_and_all_of_a_file() {
    let test = || {
        let data = pattern(3 << 20);
        arrives(&data, 0, u64::MAX, &data);
        arrives(&data, 12_345, 1 << 20, &data[12_345..12_345 + (1 << 20)]);
        arrives(&data, 12_345, 1_000, &data[12_345..13_345]);
        arrives(&data, (3 << 20) - 7, u64::MAX, &data[(3 << 20) - 7..]);
        arrives(&data, 3 << 20, 200_000, b"");
        arrives(&data, 0, 0, b"");
        arrives(b"", 0, u64::MAX, b"");
    };
    on_one_worker(test);
    // On a thread.
    test();
}

#[test]
fn through_a_local_socket() {
    on_one_worker(|| {
        let data = pattern(2 << 20);
        let (near, mut far) = UnixStream::pair().unwrap();
        let sender = spawn({
            let from = file(&data);
            move || near.send_file(&from, 0, u64::MAX).unwrap()
        });
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        assert_eq!(sender.join().unwrap(), 2 << 20);
        assert!(all == data);
    });
}

#[test]
fn what_cannot_be_spliced_is_copied() {
    on_one_worker(|| {
        let from = File::open("/proc/self/status").unwrap();
        let (near, mut far) = connection();
        let sent = near.send_file(&from, 0, u64::MAX).unwrap();
        drop(near);
        let mut all = String::new();
        far.read_to_string(&mut all).unwrap();
        assert!(all.contains("VmRSS"), "{all}");
        assert_eq!(all.len() as u64, sent);
    });
}

/// A send that is cut short says how much went out, and the other side's count agrees.
#[test]
fn cut_short_it_counts_what_it_sent() {
    on_one_worker(|| {
        let data = Arc::new(pattern(16 << 20));
        let by_kernel = Handle::try_current().unwrap().driver() == DriverKind::IoUring;
        let reason = if by_kernel { Reason::SendFile } else { Reason::Write };
        for limited in [true, false] {
            let (near, mut far) = connection();
            let sender = spawn({
                let from = file(&data);
                move || {
                    let mut limit = Duration::from_millis(20);
                    let sent = loop {
                        if limited {
                            near.set_write_timeout(Some(limit)).unwrap();
                        }
                        let sent = near.send_file(&from, 0, u64::MAX);
                        if !limited || sent.is_ok() {
                            break sent;
                        }
                        // On a busy machine it may pass before anything was sent.
                        limit *= 2;
                    };
                    let after = (!limited && sent.is_ok()).then(|| (&near).read(&mut [0]));
                    (sent, after)
                }
            });
            if !limited {
                // Until both sides' buffers are full, or earlier.
                until_waiting(reason);
                sender.cancel();
            }
            let (sent, after) = sender.join().unwrap();
            let sent = match sent {
                Ok(sent) => sent as usize,
                Err(error) => {
                    assert!(is_cancelled(&error), "{error:?}");
                    continue;
                }
            };
            if let Some(after) = after {
                assert!(is_cancelled(after.as_ref().unwrap_err()), "told by the next wait: {after:?}");
            }
            assert!(sent < data.len());
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), sent);
            assert!(all == data[..sent]);
        }
    });
}

/// `io::copy` goes the same way, from the position on, and leaves the position at the end.
#[test]
fn copying_a_file_to_a_connection() {
    on_one_worker(|| {
        for len in [10, 70_000, 3 << 20] {
            let data = pattern(len);
            let mut from = file(&data);
            let (mut near, mut far) = connection();
            let copier = spawn(move || {
                let copied = crate::io::copy(&mut from, &mut near).unwrap();
                (copied, from.stream_position().unwrap())
            });
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            assert!(all == data[3..]);
            assert_eq!(copier.join().unwrap(), (len as u64 - 3, len as u64));
        }
    });
}

/// A time limit of the socket ends a copy as it ends a write.
#[test]
fn copying_to_a_silent_connection() {
    on_one_worker(|| {
        let mut from = file(&pattern(16 << 20));
        let (mut near, _far) = connection();
        near.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        let error = outcome(crate::io::copy(&mut from, &mut near)).unwrap_err();
        assert_eq!(error, (ErrorKind::WouldBlock, Some(libc::EAGAIN)));
    });
}

#[test]
fn errors() {
    on_one_worker(|| {
        let from = file(&pattern(1 << 20));
        let (near, far) = connection();
        near.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(outcome(near.send_file(&from, 0, u64::MAX)).unwrap_err().0, ErrorKind::BrokenPipe);
        let directory = File::open("/").unwrap();
        let (near, _far) = connection();
        let expected = outcome((&directory).read(&mut [0; 8])).unwrap_err();
        assert_eq!(outcome(near.send_file(&directory, 0, u64::MAX)), Err(expected));
        drop(far);
        let (near, _far) = UnixStream::pair().unwrap();
        let waiter = spawn(move || {
            let from = file(&pattern(8 << 20));
            near.set_nonblocking(true).unwrap();
            let sent = near.send_file(&from, 0, u64::MAX).unwrap();
            (sent > 0, outcome(near.send_file(&from, 0, u64::MAX)).unwrap_err().0)
        });
        assert_eq!(waiter.join().unwrap(), (true, ErrorKind::WouldBlock));
    });
}
