//! What a fiber does and a thread does not: wait beside its siblings, be cancelled, run out of time.

use super::{Place, fifo};
use crate::conformance::pattern;
use crate::fs::{File, OpenOptions};
use crate::on_fibers::{cancelled, is_cancelled, on_one_worker, until_waiting};
use crate::runtime::{Builder, Handle, Reason, State};
use crate::spawn;
use crate::time::{sleep, timeout};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn pipe() -> (File, File) {
    let (reader, writer) = io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)))
}

#[test]
fn every_wait_leaves_the_worker_to_others_and_can_be_cancelled() {
    let place = Place::new();
    let path = place.at("fifo");
    fifo(&path);
    on_one_worker(|| {
        let error = cancelled(Reason::Open, {
            let path = path.clone();
            move || File::open(path)
        });
        assert!(is_cancelled(&error), "{error:?}");
        let (mut reader, mut writer) = pipe();
        let mut twin = reader.try_clone().unwrap();
        let error = cancelled(Reason::FileRead, move || twin.read(&mut [0; 8]));
        assert!(is_cancelled(&error), "{error:?}");
        let late = timeout(Duration::from_millis(5), || reader.read(&mut [0; 8])).unwrap().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        writer.write_all(&[7; 65536]).unwrap();
        let mut twin = writer.try_clone().unwrap();
        let error = cancelled(Reason::FileWrite, move || twin.write(&[8; 8]));
        assert!(is_cancelled(&error), "{error:?}");
        // Neither has taken or left anything.
        let mut all = vec![0; 65536];
        reader.read_exact(&mut all).unwrap();
        assert!(all == [7; 65536]);
        writer.write_all(b"fine").unwrap();
        reader.read_exact(&mut all[..4]).unwrap();
    });
}

#[test]
fn waiting_for_a_lock_can_be_cancelled() {
    let place = Place::new();
    let path = place.file("file", b"");
    on_one_worker(|| {
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        let error = cancelled(Reason::FileLock, {
            let path = path.clone();
            move || File::open(path)?.lock()
        });
        assert!(is_cancelled(&error), "{error:?}");
        let error = cancelled(Reason::FileLock, {
            let path = path.clone();
            move || File::open(path)?.lock_shared()
        });
        assert!(is_cancelled(&error), "{error:?}");
        let late = timeout(Duration::from_millis(5), || File::open(&path)?.lock());
        assert_eq!(late.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        let patient = spawn(move || File::open(path)?.lock());
        until_waiting(Reason::FileLock);
        drop(held);
        patient.join().unwrap().unwrap();
    });
}

/// Fibers, and a thread, that write records through one open file: none is lost and none overlaps.
#[test]
fn writers_at_one_position_take_turns() {
    let place = Place::new();
    let path = place.at("log");
    let file = std::fs::File::create(&path).unwrap();
    let file = File::from(file);
    let record = |writer: u32, round: u32| {
        format!("{writer:03} {round:03} {}\n", "x".repeat(1 + (writer * 7 + round) as usize % 90))
    };
    Builder::new().workers(2).build().unwrap().run(|| {
        crate::scope(|scope| {
            for writer in 0..20 {
                let clone = file.try_clone().unwrap();
                scope.spawn(move || {
                    for round in 0..20 {
                        (&clone).write_all(record(writer, round).as_bytes()).unwrap();
                    }
                });
            }
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    for round in 0..20 {
                        (&file).write_all(record(20, round).as_bytes()).unwrap();
                    }
                });
            });
        });
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let written: BTreeSet<_> = text.lines().map(|line| format!("{line}\n")).collect();
    let expected: BTreeSet<_> = (0..=20).flat_map(|writer| (0..20).map(move |round| record(writer, round))).collect();
    assert_eq!(text.lines().count(), expected.len());
    assert!(written == expected);
}

/// Readers at one position: each byte is read once.
#[test]
fn readers_at_one_position_take_turns() {
    let place = Place::new();
    let path = place.file("numbers", (0..40_000u32).flat_map(u32::to_ne_bytes).collect::<Vec<u8>>());
    Builder::new().workers(2).build().unwrap().run(|| {
        let file = File::open(&path).unwrap();
        let mut all: Vec<u32> = crate::scope(|scope| {
            let readers: Vec<_> = (0..8)
                .map(|_| {
                    let file = &file;
                    scope.spawn(move || {
                        let (mut seen, mut buf) = (Vec::new(), [0; 400]);
                        loop {
                            match { file }.read(&mut buf).unwrap() {
                                0 => return seen,
                                n => seen.extend(
                                    buf[..n].chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())),
                                ),
                            }
                        }
                    })
                })
                .collect();
            readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..40_000));
    });
}

/// Whoever waits for its turn at a file can be cancelled, and the others still get theirs.
#[test]
fn waiting_for_a_turn_can_be_cancelled() {
    on_one_worker(|| {
        let turn = super::super::turn::Turn::default();
        crate::scope(|scope| {
            let first = turn.take().unwrap();
            let wait = || {
                let waiting = scope.spawn(|| turn.take().map(drop));
                while !matches!(
                    Handle::try_current().unwrap().dump().fibers().iter().find(|fiber| fiber.id() == waiting.fiber().id()),
                    Some(fiber) if fiber.state() == State::Waiting(Reason::FilePosition)
                ) {
                    sleep(Duration::from_micros(100));
                }
                waiting
            };
            let (cancelled, patient) = (wait(), wait());
            cancelled.cancel();
            assert!(is_cancelled(&cancelled.join().unwrap().unwrap_err()));
            assert!(!patient.is_finished());
            drop(first);
            patient.join().unwrap().unwrap();
        });
        turn.take().unwrap();
    });
}

#[test]
fn many_fibers_use_many_files() {
    let place = Place::new();
    Builder::new().workers(2).build().unwrap().run(|| {
        crate::scope(|scope| {
            for number in 0..100usize {
                let path = place.at(format!("file {number}"));
                scope.spawn(move || {
                    let data = pattern(1 + number * 331);
                    crate::fs::write(&path, &data).unwrap();
                    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                    file.seek(SeekFrom::End(0)).unwrap();
                    file.write_all(b"tail").unwrap();
                    assert_eq!(crate::fs::metadata(&path).unwrap().len() as usize, data.len() + 4);
                    let all = crate::fs::read(&path).unwrap();
                    assert!(all[..data.len()] == data && all.ends_with(b"tail"));
                    let moved = path.with_extension("moved");
                    crate::fs::rename(&path, &moved).unwrap();
                    crate::fs::remove_file(moved).unwrap();
                });
            }
        });
        assert_eq!(crate::fs::read_dir(&place.0).unwrap().count(), 0);
    });
}

/// Transfers at offsets need no turns.
#[test]
fn many_fibers_read_one_file_at_offsets() {
    let place = Place::new();
    let data = pattern(1 << 20);
    let path = place.file("data", &data);
    on_one_worker(|| {
        let file = File::open(&path).unwrap();
        crate::scope(|scope| {
            for number in 0..64usize {
                let (file, data) = (&file, &data);
                scope.spawn(move || {
                    let mut buf = [0; 4096];
                    for round in 0..16 {
                        let offset = (number * 7919 + round * 104_729) % (data.len() - buf.len());
                        file.read_exact_at(&mut buf, offset as u64).unwrap();
                        assert!(buf[..] == data[offset..offset + buf.len()]);
                    }
                });
            }
        });
    });
}

/// Cancellations at any moment: what was asked of the file system is done or not done, and nobody's buffer is touched later.
#[test]
fn cancelling_at_any_moment() {
    let place = Place::new();
    let path = place.file("data", pattern(100_000));
    Builder::new().workers(2).build().unwrap().run(|| {
        for round in 0..200u64 {
            let path = path.clone();
            let fiber = spawn(move || -> io::Result<()> {
                loop {
                    let mut buf = [0xEE; 5000];
                    let n = File::open(&path)?.read_at(&mut buf, 1000)?;
                    assert!(n == 5000 && buf[..] == pattern(6000)[1000..]);
                    crate::fs::metadata(&path)?;
                    crate::fs::canonicalize(&path)?;
                }
            });
            sleep(Duration::from_micros(round % 50 * 10));
            fiber.cancel();
            match fiber.join() {
                Ok(result) => assert!(is_cancelled(&result.unwrap_err())),
                Err(error) => assert!(error.is_cancelled()),
            }
        }
    });
}

/// Where the driver lacks an operation, the pool makes the call.
#[test]
fn operations_that_a_kernel_lacks() {
    let place = Place::new();
    crate::driver::OLD_KERNEL.store(true, SeqCst);
    on_one_worker(|| {
        use crate::os::unix::fs::symlink;
        crate::fs::create_dir(place.at("dir")).unwrap();
        let path = place.file("file", b"0123");
        crate::fs::hard_link(&path, place.at("dir/hard")).unwrap();
        symlink("dir", place.at("link")).unwrap();
        let file = OpenOptions::new().write(true).open(place.at("link/hard")).unwrap();
        file.set_len(2).unwrap();
        assert_eq!(crate::fs::read(&path).unwrap(), b"01");
        assert_eq!(crate::fs::create_dir(place.at("dir")).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(symlink("", place.at("new")).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert!(Handle::try_current().unwrap().blocking_metrics().peak > 0);
    });
    crate::driver::OLD_KERNEL.store(false, SeqCst);
}

/// Reads that the page cache answers, does not, and answers in part.
#[test]
fn what_is_not_cached_is_read_too() {
    let place = Place::new();
    let data = pattern(1 << 20);
    let path = place.file("data", &data);
    on_one_worker(|| {
        let mut file = File::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().sync_all().unwrap();
        // Forgets every second 64 KiB, where the file system lets it.
        let forget = |file: &File| {
            for start in (0..data.len() as i64).step_by(128 << 10) {
                // SAFETY: no memory is passed.
                unsafe { libc::posix_fadvise(file.as_raw_fd(), start, 64 << 10, libc::POSIX_FADV_DONTNEED) };
            }
        };
        for len in [1000, 65_536, 100_000, 1 << 20, 2 << 20] {
            forget(&file);
            let mut buf = vec![0; len];
            for offset in [0, 4000, 65_536 - 10, 131_072 - 10, data.len() - 5, data.len(), data.len() + 5] {
                let expected = &data[offset.min(data.len())..(offset + len).min(data.len())];
                let n = file.read_at(&mut buf, offset as u64).unwrap();
                assert!(buf[..n] == *expected, "{len} bytes at {offset}");
            }
            forget(&file);
            file.rewind().unwrap();
            let mut all = Vec::new();
            loop {
                match file.read(&mut buf).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            assert!(all == data, "{len} bytes at a time");
            assert_eq!(file.stream_position().unwrap(), data.len() as u64);
        }
    });
}
