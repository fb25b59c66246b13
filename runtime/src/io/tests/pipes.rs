//! Pipes.

use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern, until_broken};
use crate::runtime::Builder;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::thread;

conformance! { io:
    fn reading_and_writing(io) -> (Vec<usize>, Vec<u8>, Result<usize, Failure>) {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let mut buf = [0; 8];
        let mut sizes = vec![
            writer.write(b"hello, ").unwrap(),
            writer.write(b"").unwrap(),
            (&writer).write_vectored(&[IoSlice::new(b"wor"), IoSlice::new(b""), IoSlice::new(b"ld")]).unwrap(),
            writer.write_vectored(&[]).unwrap(),
            reader.read(&mut buf).unwrap(),
            reader.read(&mut []).unwrap(),
        ];
        writer.flush().unwrap();
        let (mut one, mut two) = ([0; 2], [0; 99]);
        sizes.push((&reader).read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap());
        let twin = writer.try_clone().unwrap();
        drop(writer);
        (&twin).write_all(b"more").unwrap();
        drop(twin);
        let mut rest = Vec::new();
        sizes.push(reader.read_to_end(&mut rest).unwrap());
        let text = [&buf[..], &one[..], &two[..2], &rest[..]].concat();
        (sizes, text, outcome(reader.read(&mut buf)))
    }

    fn large_writes_are_whole(io) -> (Vec<usize>, bool) {
        let data = pattern(700_000);
        let (mut reader, mut writer) = io::pipe().unwrap();
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        let parts: Vec<_> = data.chunks(999).map(IoSlice::new).collect();
        let sizes = vec![writer.write(&data).unwrap(), writer.write_vectored(&parts).unwrap()];
        drop(writer);
        (sizes, reading.join().unwrap() == [&data[..], &data[..]].concat())
    }

    fn nobody_reads(io) -> Vec<Result<usize, Failure>> {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        vec![until_broken(&mut writer), outcome(writer.write(b"")), outcome(writer.write_vectored(&[IoSlice::new(b"lost")]))]
    }

    fn a_pipe_breaks_in_the_middle(io) -> Result<usize, Failure> {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let reading = thread::spawn(move || {
            reader.read_exact(&mut [0; 1000]).unwrap();
            reader
        });
        // Fills the pipe, then waits for room that never comes.
        writer.write_all(&[1; 1000]).unwrap();
        let reader = reading.join().unwrap();
        writer.write_all(&[2; 65_536]).unwrap();
        let breaking = thread::spawn(move || {
            thread::sleep(std::time::Duration::from_millis(20));
            drop(reader);
        });
        let result = outcome(writer.write(&[3; 100]));
        breaking.join().unwrap();
        result
    }

    fn the_wrong_end(io) -> Vec<Result<usize, Failure>> {
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
        let (mut reader, mut writer) = (io::PipeReader::from(writer), io::PipeWriter::from(reader));
        vec![outcome(reader.read(&mut [0; 8])), outcome(writer.write(b"text"))]
    }

    fn descriptors(io) -> (bool, Vec<u8>) {
        let (reader, writer) = io::pipe().unwrap();
        let same = reader.as_raw_fd() == reader.as_fd().as_raw_fd();
        let (reader, writer) = (reader.into_raw_fd(), writer.into_raw_fd());
        // SAFETY: the descriptors were just given up, and nobody else has them.
        let (mut reader, mut writer) = unsafe { (io::PipeReader::from_raw_fd(reader), io::PipeWriter::from_raw_fd(writer)) };
        writer.write_all(b"through").unwrap();
        drop(writer);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        (same, all)
    }
}

/// Both ends on fibers of one worker, which would stand still if either blocked it.
#[test]
fn both_ends_on_one_worker() {
    let data = pattern(1 << 20);
    Builder::new().workers(1).build().unwrap().run(|| {
        let (mut reader, mut writer) = crate::io::pipe().unwrap();
        crate::scope(|scope| {
            let data = &data;
            scope.spawn(move || writer.write_all(data).unwrap());
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert!(all == *data);
        });
    });
}

/// Std's ends become ours and ours std's.
#[test]
fn to_and_from_std() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut reader, writer) = (crate::io::PipeReader::from(reader), crate::io::PipeWriter::from(writer));
    on_fiber(move || {
        std::io::PipeWriter::from(writer).write_all(b"text").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    });
}
