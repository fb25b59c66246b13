//! Registered buffers: as files treat others, on every driver.

use super::Place;
use crate::conformance::{Failure, on_fiber, outcome, pattern};
use crate::fs::{File, OpenOptions, RegisteredBuffer};
use crate::on_fibers::on_one_worker;
use crate::os::unix::fs::{FileExt, OpenOptionsExt};
use crate::runtime::{DriverKind, Handle};
use crate::spawn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A file past the page cache, where the file system has that, and one with it.
fn files(path: &Path) -> Vec<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let cached = options.open(path).unwrap();
    let direct = options.custom_flags(libc::O_DIRECT).open(path).ok();
    std::iter::once(cached).chain(direct).collect()
}

/// What plain buffers give, these give, whole blocks and others, up to the end and past it.
#[test]
fn as_plain_buffers() {
    let body = || {
        let place = Place::new();
        let path = place.file("file", pattern(20_000));
        for file in files(&path) {
            let mut buffer = RegisteredBuffer::new(16_384);
            assert!(buffer.iter().all(|byte| *byte == 0) && buffer.as_ptr().addr().is_multiple_of(4096));
            for (range, offset) in [
                (0..8192, 4096),
                (8192..12_288, 0),
                (0..16_384, 16_384),
                (0..0, 0),
                (1..4097, 0),
                (0..100, 4096),
                (0..4096, 10),
                (0..4096, 20_480),
                (0..4096, u64::MAX),
            ] {
                let mut plain = RegisteredBuffer::new(16_384);
                plain.fill(7);
                buffer.fill(7);
                let expected: Result<usize, Failure> = outcome(file.read_at(&mut plain[range.clone()], offset));
                let got = outcome(file.read_registered_at(&mut buffer, range.clone(), offset));
                assert_eq!(got, expected, "{range:?} at {offset}");
                assert!(buffer[..] == plain[..], "{range:?} at {offset}");
            }
            buffer.copy_from_slice(&pattern(16_384));
            assert_eq!(file.write_registered_at(&buffer, 4096..12_288, 8192).unwrap(), 8192);
            let written = std::fs::read(&path).unwrap();
            assert!(written[8192..16_384] == pattern(16_384)[4096..12_288] && written.len() == 20_000);
            std::fs::write(&path, pattern(20_000)).unwrap();
            let outside = catch_unwind(AssertUnwindSafe(|| file.read_registered_at(&mut buffer, 0..16_385, 0)));
            assert!(outside.is_err(), "there is no such part");
            let unwritable = File::open(&path).unwrap();
            assert_eq!(
                outcome(unwritable.write_registered_at(&buffer, 0..4096, 0)),
                outcome(unwritable.write_at(&buffer[..4096], 0))
            );
        }
    };
    on_fiber(body);
    body();
}

/// Some fibers have the same file and buffers of their own, more of them one after the other than there is room for at a time.
#[test]
fn places_are_used_again() {
    let place = Place::new();
    let path = place.file("file", pattern(8192));
    on_one_worker(move || {
        let counts = Handle::try_current().unwrap().driver() == DriverKind::IoUring;
        let registers = RegisteredBuffer::new(1).is_registered();
        assert!(counts || !registers);
        let fibers: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                spawn(move || {
                    let file = files(&path).pop().unwrap();
                    for _ in 0..400 {
                        let mut buffer = RegisteredBuffer::new(8192);
                        assert_eq!(buffer.is_registered(), registers);
                        assert_eq!(file.read_registered_at(&mut buffer, 0..8192, 0).unwrap(), 8192);
                        assert!(buffer[..] == pattern(8192)[..]);
                    }
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        // Beyond those, they are ordinary.
        let many: Vec<_> = (0..1100).map(|_| RegisteredBuffer::new(4096)).collect();
        assert!(!many[1099].is_registered());
        assert_eq!(many.iter().filter(|buffer| buffer.is_registered()).count(), if registers { 1024 } else { 0 });
        let file = files(&path).pop().unwrap();
        assert_eq!(file.write_registered_at(&many[1099], 0..4096, 0).unwrap(), 4096);
        drop(many);
        assert_eq!(RegisteredBuffer::new(1).is_registered(), registers);
        assert!(!RegisteredBuffer::new(0).is_registered());
    });
}

/// A read that is cancelled has ended: the buffer can be used again at once, and has what the next read brings.
#[test]
fn cancelled_reads_have_ended() {
    let place = Place::new();
    let path = place.file("file", pattern(1 << 20));
    on_one_worker(move || {
        for round in 0..40 {
            let path = path.clone();
            let reader = spawn(move || {
                let file = files(&path).pop().unwrap();
                let mut buffer = RegisteredBuffer::new(1 << 20);
                let first = crate::time::timeout(std::time::Duration::from_micros(round * 5), || {
                    file.read_registered_at(&mut buffer, 0..1 << 20, 0)
                });
                drop(first);
                buffer.fill(0);
                assert_eq!(file.read_registered_at(&mut buffer, 0..4096, 4096).unwrap(), 4096);
                assert!(buffer[..4096] == pattern(8192)[4096..] && buffer[4096..].iter().all(|byte| *byte == 0));
            });
            reader.join().unwrap();
        }
    });
}
