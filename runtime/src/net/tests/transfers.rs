//! Reading and writing.

use super::{Failure, conformance, fill, on_fiber, outcome, pair, pattern};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

/// More than the buffers of two sockets hold.
const LARGE: usize = 16 << 20;

conformance! { net:
    fn short_reads_and_the_end(net) -> (Vec<usize>, Vec<u8>) {
        let (mut near, mut far) = pair!(net);
        let (mut sizes, mut all, mut buf) = (Vec::new(), Vec::new(), [0; 10]);
        far.write_all(b"0123456789abcde").unwrap();
        for _ in 0..2 {
            let n = near.read(&mut buf).unwrap();
            sizes.push(n);
            all.extend_from_slice(&buf[..n]);
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.write_all(b"later").unwrap();
                far.shutdown(Shutdown::Write).unwrap();
            });
            for _ in 0..3 {
                let n = near.read(&mut buf).unwrap();
                sizes.push(n);
                all.extend_from_slice(&buf[..n]);
            }
        });
        (sizes, all)
    }

    /// A blocking write takes everything, however long the peer takes.
    fn a_large_write_is_one_write(net) -> (usize, bool) {
        let (mut near, mut far) = pair!(net);
        let data = pattern(LARGE);
        let received = thread::scope(|scope| {
            let reader = scope.spawn(move || {
                thread::sleep(Duration::from_millis(10));
                let mut received = Vec::new();
                far.read_to_end(&mut received).unwrap();
                received
            });
            let sent = near.write(&data).unwrap();
            near.shutdown(Shutdown::Write).unwrap();
            (sent, reader.join().unwrap())
        });
        (received.0, received.1 == data)
    }

    fn a_large_vectored_write_is_one_write(net) -> (usize, bool) {
        let (mut near, mut far) = pair!(net);
        let data = pattern(LARGE);
        let parts: Vec<_> = [&data[..1], &[], &data[1..LARGE / 2], &data[LARGE / 2..]].map(IoSlice::new).into();
        let received = thread::scope(|scope| {
            let reader = scope.spawn(move || {
                thread::sleep(Duration::from_millis(10));
                let mut received = Vec::new();
                far.read_to_end(&mut received).unwrap();
                received
            });
            let sent = near.write_vectored(&parts).unwrap();
            near.shutdown(Shutdown::Write).unwrap();
            (sent, reader.join().unwrap())
        });
        (received.0, received.1 == data)
    }

    fn more_buffers_than_the_kernel_takes(net) -> (usize, usize) {
        let (mut near, mut far) = pair!(net);
        let written = near.write_vectored(&vec![IoSlice::new(b"x"); 1500]).unwrap();
        far.write_all(&[b'y'; 1500]).unwrap();
        far.read_exact(&mut vec![0; written]).unwrap();
        let mut bytes = vec![[0u8]; 1500];
        let mut bufs: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
        near.peek(&mut vec![0; 1500]).unwrap();
        (written, near.read_vectored(&mut bufs).unwrap())
    }

    fn vectored_reads_scatter(net) -> (usize, [u8; 3], [u8; 8], Vec<Result<usize, Failure>>) {
        let (mut near, mut far) = pair!(net);
        let (mut one, mut two) = ([0; 3], [0; 8]);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.write_all(b"scatter").unwrap();
            });
            let n = near.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
            let none = vec![
                outcome(near.read_vectored(&mut [])),
                outcome(near.read_vectored(&mut [IoSliceMut::new(&mut [])])),
                outcome(near.write_vectored(&[])),
                outcome(near.write_vectored(&[IoSlice::new(&[])])),
            ];
            (n, one, two, none)
        })
    }

    fn empty_buffers(net) -> Vec<Result<usize, Failure>> {
        let (mut near, mut far) = pair!(net);
        near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut outcomes = vec![outcome(near.read(&mut [])), outcome(near.peek(&mut [])), outcome(near.write(&[]))];
        far.write_all(b"data").unwrap();
        outcomes.extend([outcome(near.read(&mut [])), outcome(near.peek(&mut [])), outcome(near.write(&[]))]);
        outcomes.push(outcome(near.read(&mut [0; 8])));
        drop(far);
        outcomes.extend([outcome(near.read(&mut [])), outcome(near.peek(&mut []))]);
        outcomes
    }

    /// Lengths that do not fit into 32 bits. The memory is never touched, so it is never there.
    fn buffers_of_gigabytes(net) -> (usize, usize, bool, bool) {
        let (mut near, mut far) = pair!(net);
        let mut huge = vec![0u8; 5 << 30];
        far.write_all(b"tiny").unwrap();
        let inline = near.read(&mut huge).unwrap();
        let waited = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.write_all(b"small").unwrap();
            });
            near.read_vectored(&mut [IoSliceMut::new(&mut huge)]).unwrap()
        });
        near.set_nonblocking(true).unwrap();
        let sent = near.write(&huge[64..]).unwrap();
        let more = near.write_vectored(&[IoSlice::new(&huge[64..])]).unwrap_or(1);
        (inline, waited, sent > 0, more > 0)
    }

    fn peeking_takes_nothing(net) -> (Vec<usize>, [u8; 4]) {
        let (mut near, mut far) = pair!(net);
        let mut buf = [0; 4];
        let mut sizes = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.write_all(b"peek").unwrap();
                far.shutdown(Shutdown::Write).unwrap();
            });
            vec![near.peek(&mut buf).unwrap()]
        });
        sizes.push(near.peek(&mut buf[..2]).unwrap());
        sizes.push(near.read(&mut buf).unwrap());
        sizes.push(near.peek(&mut [0; 4]).unwrap());
        sizes.push(near.read(&mut [0; 4]).unwrap());
        (sizes, buf)
    }

    /// The peer closes with data unread, which resets the connection.
    fn a_reset_is_told_once(net) -> Vec<Result<usize, Failure>> {
        let (mut near, far) = pair!(net);
        near.write_all(b"unread").unwrap();
        far.peek(&mut [0; 6]).unwrap();
        drop(far);
        let mut buf = [0; 8];
        vec![
            outcome(near.read(&mut buf)),
            outcome(near.read(&mut buf)),
            outcome(near.write(&buf)),
            outcome(near.write_vectored(&[IoSlice::new(&buf)])),
            outcome(near.peek(&mut buf)),
        ]
    }

    fn a_reset_ends_a_read_that_waits(net) -> Result<usize, Failure> {
        let (mut near, far) = pair!(net);
        near.write_all(b"unread").unwrap();
        far.peek(&mut [0; 6]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                drop(far);
            });
            outcome(near.read(&mut [0; 8]))
        })
    }

    /// Which of its two errors the connection has left after a write that got somewhere before the reset is a matter of moments.
    fn a_reset_ends_a_write_that_waits(net) -> (bool, bool) {
        let (mut near, far) = pair!(net);
        fill(&near);
        far.peek(&mut [0; 6]).unwrap();
        let first = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                drop(far);
            });
            near.write(&[0; LARGE])
        });
        let ends = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        (
            first.map_or_else(|error| ends.contains(&error.kind()), |sent| sent < LARGE),
            ends.contains(&near.write(b"x").unwrap_err().kind()),
        )
    }

    fn half_closed_connections_go_on_in_the_other_direction(net) -> (usize, Vec<u8>, Result<usize, Failure>) {
        let (mut near, mut far) = pair!(net);
        near.shutdown(Shutdown::Write).unwrap();
        let end = far.read(&mut [0; 8]).unwrap();
        far.write_all(b"still here").unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).unwrap();
        (end, rest, outcome(near.write(b"x")))
    }

    fn shutting_down_ends_the_wait_of_another_handle(net) -> Vec<Result<usize, Failure>> {
        [Shutdown::Read, Shutdown::Both].into_iter().map(|how| {
            let (mut near, _far) = pair!(net);
            let other = near.try_clone().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(10));
                    other.shutdown(how).unwrap();
                });
                outcome(near.read(&mut [0; 8]))
            })
        }).collect()
    }

    fn shared_references_read_and_write(net) -> Vec<u8> {
        let (near, mut far) = pair!(net);
        (&near).write_all(b"by reference").unwrap();
        (&near).flush().unwrap();
        let mut buf = vec![0; 12];
        far.read_exact(&mut buf).unwrap();
        far.write_all(&buf).unwrap();
        drop(far);
        let mut back = Vec::new();
        (&near).read_to_end(&mut back).unwrap();
        back
    }

    fn what_is_no_socket_is_refused(net) -> Vec<Result<usize, Failure>> {
        let (reader, writer) = io::pipe().unwrap();
        let mut reader = net::TcpStream::from(OwnedFd::from(reader));
        let mut writer = net::TcpStream::from(OwnedFd::from(writer));
        vec![
            outcome(reader.read(&mut [0; 8])),
            outcome(reader.peek(&mut [0; 8])),
            outcome(writer.write(b"x")),
        ]
    }

    /// Requests and answers, of every size around the ones at which the next read is expected to wait.
    fn ping_pong(net) -> u64 {
        let (mut near, mut far) = pair!(net);
        let echo = thread::spawn(move || {
            let mut buf = [0; 512];
            loop {
                match far.read(&mut buf).unwrap() {
                    0 => break,
                    n => far.write_all(&buf[..n]).unwrap(),
                }
            }
        });
        let mut sum = 0;
        for round in 0..300 {
            let request = pattern(1 + round % 97);
            near.write_all(&request).unwrap();
            let mut answer = vec![0; request.len()];
            let mut got = 0;
            while got < answer.len() {
                // Exactly what is missing, or room to spare, by turns.
                got += if round % 2 == 0 {
                    near.read(&mut answer[got..]).unwrap()
                } else {
                    let mut large = [0; 256];
                    let n = near.read(&mut large).unwrap();
                    answer[got..got + n].copy_from_slice(&large[..n]);
                    n
                };
            }
            assert_eq!(answer, request);
            sum += answer.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        near.shutdown(Shutdown::Write).unwrap();
        echo.join().unwrap();
        sum
    }

    /// Both directions at once, each megabyte checked.
    fn copying_both_ways(net) -> bool {
        let (near, far) = pair!(net);
        let data = pattern(4 << 20);
        let (mut far_reader, mut far_writer) = (far.try_clone().unwrap(), far);
        let (there, back) = thread::scope(|scope| {
            let sending = scope.spawn(|| {
                far_writer.write_all(&data).unwrap();
                far_writer.shutdown(Shutdown::Write).unwrap();
            });
            let receiving = scope.spawn(move || {
                let mut all = Vec::new();
                far_reader.read_to_end(&mut all).unwrap();
                all
            });
            // Echo, by way of a small buffer.
            let mut buf = [0; 3000];
            let mut seen = Vec::new();
            loop {
                match (&near).read(&mut buf).unwrap() {
                    0 => break,
                    n => {
                        seen.extend_from_slice(&buf[..n]);
                        (&near).write_all(&buf[..n]).unwrap();
                    }
                }
            }
            near.shutdown(Shutdown::Write).unwrap();
            sending.join().unwrap();
            (seen, receiving.join().unwrap())
        });
        there == data && back == data
    }
}

#[test]
fn a_listener_is_no_stream() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let fd = OwnedFd::from(listener.try_clone().unwrap());
    let expected = outcome(std::net::TcpStream::from(OwnedFd::from(listener)).read(&mut [0; 8]));
    let got = on_fiber(|| outcome(crate::net::TcpStream::from(fd).read(&mut [0; 8])));
    assert_eq!(got, expected);
}
