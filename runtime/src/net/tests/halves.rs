//! Streams in two hands.

use super::pattern;
use crate::net::{OwnedReadHalf, TcpListener, TcpStream, UnixStream};
use crate::on_fibers::on_one_worker;
use crate::{scope, spawn};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd};

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// More both ways than fits between, so each half waits for the other side's.
#[test]
fn halves_work_at_the_same_time() {
    on_one_worker(|| {
        let data = pattern(5 << 20);
        let (mut near, mut far) = connection();
        let echo = spawn(move || {
            let (mut reader, mut writer) = far.split();
            std::io::copy(&mut reader, &mut writer).unwrap();
        });
        let (mut reader, mut writer) = near.split();
        let mut back = vec![0; data.len()];
        scope(|s| {
            s.spawn(|| writer.write_all(&data).unwrap());
            reader.read_exact(&mut back).unwrap();
        });
        assert!(back == data);
        drop(near);
        echo.join().unwrap();
    });
}

#[test]
fn the_end_of_the_writing_half_is_the_end_of_the_stream_that_way() {
    on_one_worker(|| {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = near.into_split();
        let echo = spawn(move || {
            let mut all = Vec::new();
            (&far).read_to_end(&mut all).unwrap();
            (&far).write_all(&all).unwrap();
        });
        assert_eq!(writer.write_vectored(&[IoSlice::new(b"half"), IoSlice::new(b"-close")]).unwrap(), 10);
        writer.flush().unwrap();
        drop(writer);
        let (mut one, mut two) = ([0; 4], [0; 6]);
        echo.join().unwrap();
        assert_eq!(reader.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap(), 10);
        assert_eq!((&one, &two), (b"half", b"-close"));
        assert_eq!(reader.read(&mut one).unwrap(), 0);
    });
}

#[test]
fn the_end_of_the_reading_half_ends_nothing() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let (reader, mut writer) = near.into_split();
        drop(reader);
        writer.write_all(b"goes on").unwrap();
        let mut said = [0; 7];
        far.read_exact(&mut said).unwrap();
        drop(writer);
        assert_eq!(far.read(&mut said).unwrap(), 0);
    });
}

#[test]
fn forgotten_and_reunited_halves_leave_the_stream_open() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let number = near.as_raw_fd();
        let (reader, writer) = near.into_split();
        assert_eq!(reader.as_fd().as_raw_fd(), number);
        let mut near = writer.reunite(reader).unwrap();
        near.write_all(b"one").unwrap();
        let (reader, writer) = near.into_split();
        let (stranger, _other) = connection().0.into_split();
        let error = OwnedReadHalf::reunite(stranger, writer).unwrap_err();
        error.1.forget();
        let mut buf = [0; 3];
        far.read_exact(&mut buf).unwrap();
        far.set_nonblocking(true).unwrap();
        assert_eq!(far.read(&mut buf).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        far.set_nonblocking(false).unwrap();
        // The last half closes it.
        assert_eq!(reader.as_ref().local_addr().unwrap(), far.peer_addr().unwrap());
        drop(reader);
        assert_eq!(far.read(&mut buf).unwrap(), 0);
    });
}

#[test]
fn owned_halves_go_to_different_workers_and_threads() {
    crate::runtime::Builder::new().workers(2).build().unwrap().run(|| {
        let data = pattern(3 << 20);
        let (near, far) = connection();
        let (mut reader, mut writer) = near.into_split();
        let echo = spawn(move || {
            let (mut reader, mut writer) = far.into_split();
            std::io::copy(&mut reader, &mut writer).unwrap();
        });
        let writing = std::thread::spawn({
            let data = data.clone();
            move || writer.write_all(&data).unwrap()
        });
        let reading = spawn(move || {
            let mut back = Vec::new();
            reader.read_to_end(&mut back).unwrap();
            back
        });
        assert!(reading.join().unwrap() == data);
        echo.join().unwrap();
        writing.join().unwrap();
    });
}
