//! Opening, reading, writing.

use super::{Place, fifo};
use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern, said};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

conformance! { fs:
    fn writing_and_reading(fs) -> (Vec<usize>, Vec<u8>, String, u64) {
        let place = Place::new();
        let path = place.at("file");
        let mut file = fs::File::create_new(&path).unwrap();
        let mut sizes = vec![
            file.write(b"hello, ").unwrap(),
            file.write(b"").unwrap(),
            file.write_vectored(&[IoSlice::new(b"wor"), IoSlice::new(b""), IoSlice::new(b"ld")]).unwrap(),
            file.write_vectored(&[]).unwrap(),
        ];
        file.flush().unwrap();
        let mut buf = [0; 8];
        sizes.push(file.read(&mut buf).unwrap());
        file.seek(SeekFrom::Start(7)).unwrap();
        sizes.extend([file.read(&mut buf[..3]).unwrap(), file.read(&mut []).unwrap(), file.read(&mut buf[3..]).unwrap()]);
        file.rewind().unwrap();
        let (mut one, mut two) = ([0; 5], [0; 99]);
        sizes.push(file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap());
        sizes.extend([file.read_vectored(&mut []).unwrap(), file.read(&mut buf).unwrap()]);
        let position = file.stream_position().unwrap();
        file.seek(SeekFrom::End(-5)).unwrap();
        let mut rest = String::new();
        sizes.push(file.read_to_string(&mut rest).unwrap());
        (sizes, [&buf[..], &one[..], &two[..7]].concat(), rest, position)
    }

    fn large_transfers_are_whole(fs) -> (usize, usize, bool, bool) {
        let place = Place::new();
        let path = place.at("large");
        let data = pattern(9 << 20);
        let written = (&fs::File::create(&path).unwrap()).write(&data).unwrap();
        let mut back = vec![0; data.len() + 100];
        let read = fs::File::open(&path).unwrap().read(&mut back).unwrap();
        let same = back[..read] == data[..];
        let parts: Vec<_> = data.chunks(4096).map(IoSlice::new).collect();
        let mut file = fs::File::create(&path).unwrap();
        let gathered = file.write_vectored(&parts).unwrap();
        (written, read, same && fs::read(&path).unwrap() == data[..gathered], gathered == 1024 * 4096)
    }

    fn whole_files(fs) -> (Vec<u8>, Vec<Result<usize, String>>) {
        let place = Place::new();
        fs::write(place.at("one"), b"first, which is longer").unwrap();
        fs::write(place.at("one"), "second").unwrap();
        place.file("two", b"not \xff text");
        let mut text = String::from("kept: ");
        let outcomes = vec![
            said(fs::read_to_string(place.at("one")).map(|text| text.len())),
            said(fs::read_to_string(place.at("two")).map(|text| text.len())),
            said(fs::File::open(place.at("two")).unwrap().read_to_string(&mut text)),
            said(fs::read(place.at("three")).map(|bytes| bytes.len())),
            said(fs::write(place.at("four/five"), b"").map(|()| 0)),
            said(fs::read(&place.0).map(|bytes| bytes.len())),
            said(fs::read("/proc/self/comm").map(|bytes| usize::from(!bytes.is_empty()))),
            said(fs::read("/dev/null").map(|bytes| bytes.len())),
            said(fs::read("zero\0inside").map(|bytes| bytes.len())),
            Ok(text.len()),
        ];
        (fs::read(place.at("one")).unwrap(), outcomes)
    }

    fn files_of_proc(fs) -> (bool, bool, bool) {
        // Their length is said to be zero, and they are longer than a first guess.
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut lines = BufReader::new(fs::File::open("/proc/self/status").unwrap()).lines();
        let status = lines.any(|line| line.unwrap().starts_with("Threads:"));
        (maps.len() > 1000, status, fs::metadata("/proc/self/maps").unwrap().len() == 0)
    }

    fn positions(fs) -> Vec<Result<u64, String>> {
        let place = Place::new();
        let path = place.file("file", b"0123456789");
        let mut file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let clone = file.try_clone().unwrap();
        let mut results = vec![
            said(file.seek(SeekFrom::Start(4))),
            said((&clone).stream_position()),
            said(file.seek(SeekFrom::Current(-2))),
            said(file.seek(SeekFrom::Current(-5))),
            said(file.seek(SeekFrom::End(90))),
        ];
        file.write_all(b"far").unwrap();
        results.push(said((&clone).stream_position()));
        results.push(Ok(file.metadata().unwrap().len()));
        results.push(said((&clone).seek(SeekFrom::Start(u64::MAX))));
        results
    }

    fn transfers_at_offsets(fs) -> (Vec<Result<usize, Failure>>, Vec<u8>, u64) {
        let place = Place::new();
        let path = place.file("file", b"0123456789");
        let mut file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut buf = [0; 4];
        let outcomes = vec![
            outcome(file.read_at(&mut buf, 7)),
            outcome(file.read_at(&mut buf, 10)),
            outcome(file.read_at(&mut [], 0)),
            outcome(file.write_at(b"xy", 3)),
            outcome(file.write_at(b"end", 20)),
            outcome(file.read_exact_at(&mut buf, 8).map(|()| 0)),
            outcome(file.read_exact_at(&mut buf, 22).map(|()| 0)),
            outcome(file.write_all_at(b"!", 0).map(|()| 0)),
            outcome(file.read_at(&mut buf, u64::MAX)),
            outcome(file.read_at(&mut buf, u64::MAX - 1)),
            outcome(file.read_at(&mut buf, 1 << 63)),
            outcome(file.write_at(b"x", u64::MAX)),
            outcome(file.write_at(b"x", i64::MAX as u64)),
        ];
        let position = file.stream_position().unwrap();
        (outcomes, fs::read(&path).unwrap(), position)
    }

    fn appending(fs) -> (Vec<u8>, u64) {
        let place = Place::new();
        let path = place.file("log", b"one ");
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        file.write_all(b"two ").unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"other ").unwrap();
        file.rewind().unwrap();
        file.write_all(b"three ").unwrap();
        file.write_at(b"four", 0).unwrap();
        (fs::read(&path).unwrap(), file.stream_position().unwrap())
    }

    /// Every combination of the options, on what is there and what is not.
    fn ways_to_open(fs) -> Vec<Result<Vec<u8>, Failure>> {
        let place = Place::new();
        let mut outcomes = Vec::new();
        for bits in 0..64u32 {
            let is = |bit: u32| bits & 1 << bit != 0;
            for there in [false, true] {
                let path = place.at("file");
                let _ = std::fs::remove_file(&path);
                if there {
                    std::fs::write(&path, b"there").unwrap();
                }
                let opened = fs::OpenOptions::new()
                    .read(is(0)).write(is(1)).append(is(2)).truncate(is(3)).create(is(4)).create_new(is(5))
                    .open(&path);
                outcomes.push(outcome(opened).map(|mut file| {
                    let mut seen = Vec::new();
                    let (read, written) = (file.read_to_end(&mut seen).is_ok(), file.write(b"new").is_ok());
                    seen.extend([u8::from(read), u8::from(written)]);
                    seen.extend(std::fs::read(&path).unwrap());
                    seen
                }));
            }
        }
        outcomes
    }

    fn what_cannot_be_opened(fs) -> Vec<Result<(), (ErrorKind, String)>> {
        let place = Place::new();
        let path = place.file("file", b"");
        std::os::unix::fs::symlink("loop", place.at("loop")).unwrap();
        let failure = |error: io::Error| (error.kind(), error.to_string());
        vec![
            fs::File::open(place.at("nothing")).map(drop).map_err(failure),
            fs::File::open("").map(drop).map_err(failure),
            fs::File::open(path.join("below")).map(drop).map_err(failure),
            fs::File::create(&place.0).map(drop).map_err(failure),
            fs::File::create_new(&path).map(drop).map_err(failure),
            fs::File::open(place.at("loop")).map(drop).map_err(failure),
            fs::File::open(place.at("x".repeat(300))).map(drop).map_err(failure),
            fs::File::open("a\0b").map(drop).map_err(failure),
            fs::OpenOptions::new().open(&path).map(drop).map_err(failure),
            fs::OpenOptions::new().create_new(true).open("a\0b").map(drop).map_err(failure),
            fs::File::options().read(true).custom_flags(libc::O_DIRECTORY).open(&path).map(drop).map_err(failure),
        ]
    }

    fn modes_and_flags(fs) -> (u32, u32, i32, i32) {
        let place = Place::new();
        let file = fs::File::options().write(true).create_new(true).mode(0o640).open(place.at("file")).unwrap();
        let sync = fs::File::options().read(true).custom_flags(libc::O_SYNC | libc::O_RDWR).open(place.at("file")).unwrap();
        // SAFETY: no memory is passed.
        let flags = unsafe { (libc::fcntl(file.as_raw_fd(), libc::F_GETFD), libc::fcntl(sync.as_raw_fd(), libc::F_GETFL)) };
        (file.metadata().unwrap().permissions().mode(), sync.metadata().unwrap().mode(), flags.0, flags.1)
    }

    fn wrong_directions(fs) -> Vec<Result<usize, Failure>> {
        let place = Place::new();
        let path = place.file("file", b"text");
        let (mut writer, mut reader) = (fs::File::create(place.at("new")).unwrap(), fs::File::open(&path).unwrap());
        let mut folder = fs::File::open(&place.0).unwrap();
        vec![
            outcome(writer.read(&mut [0; 4])),
            outcome(writer.read_to_end(&mut Vec::new())),
            outcome(reader.write(b"x")),
            outcome(reader.write_vectored(&[IoSlice::new(b"x")])),
            outcome(reader.set_len(0).map(|()| 0)),
            outcome(folder.read(&mut [0; 4])),
            outcome(folder.read_at(&mut [0; 4], 0)),
            outcome(folder.sync_all().map(|()| 0)),
        ]
    }

    fn lengths_and_syncs(fs) -> (Vec<u64>, Vec<u8>, Vec<Result<(), (ErrorKind, String)>>) {
        let place = Place::new();
        let path = place.file("file", b"0123456789");
        let file = fs::File::options().write(true).open(&path).unwrap();
        let mut lengths = Vec::new();
        for len in [4, 6, 0, 3] {
            file.set_len(len).unwrap();
            lengths.push(file.metadata().unwrap().len());
        }
        file.sync_all().unwrap();
        file.sync_data().unwrap();
        let pipe = fs::File::from(OwnedFd::from(io::pipe().unwrap().1));
        let failure = |error: io::Error| (error.kind(), error.to_string());
        let failures = vec![
            file.set_len(u64::MAX).map_err(failure),
            file.set_len(i64::MAX as u64).map_err(|error| (error.kind(), String::new())),
            pipe.sync_all().map_err(failure),
            pipe.sync_data().map_err(failure),
            pipe.set_len(1).map_err(failure),
        ];
        (lengths, fs::read(&path).unwrap(), failures)
    }

    fn permissions_and_times(fs) -> (u32, u32, bool, Vec<SystemTime>, bool) {
        let place = Place::new();
        let path = place.file("file", b"");
        let file = fs::File::options().write(true).open(&path).unwrap();
        let mut permissions = file.metadata().unwrap().permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).unwrap();
        let readonly = file.metadata().unwrap().permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let before = UNIX_EPOCH - Duration::new(10, 250_000_000);
        let after = UNIX_EPOCH + Duration::new(1_000_000_000, 1);
        file.set_times(fs::FileTimes::new().set_modified(before).set_accessed(after)).unwrap();
        let one = file.metadata().unwrap();
        file.set_modified(after).unwrap();
        let two = fs::metadata(&path).unwrap();
        (
            readonly,
            two.mode(),
            two.permissions().readonly(),
            vec![one.modified().unwrap(), one.accessed().unwrap(), two.modified().unwrap()],
            two.created().is_ok_and(|created| created > after),
        )
    }

    fn pipes_and_fifos(fs) -> (Vec<u8>, Vec<usize>, bool) {
        let place = Place::new();
        let path = place.at("fifo");
        fifo(&path);
        let data = pattern(300_000);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                let mut writer = std::fs::File::create(&path).unwrap();
                writer.write_all(b"through").unwrap();
                thread::sleep(Duration::from_millis(10));
                writer.write_all(b" a fifo").unwrap();
            });
            // Waits for the writer, and then for each of its writes.
            let mut reader = fs::File::open(&path).unwrap();
            let mut text = vec![0; 7];
            let one = reader.read(&mut text).unwrap();
            let all = reader.read_to_end(&mut text).unwrap();
            writer.join().unwrap();

            let reader = scope.spawn(|| {
                let mut reader = std::fs::File::open(&path).unwrap();
                thread::sleep(Duration::from_millis(10));
                let mut all = Vec::new();
                reader.read_to_end(&mut all).unwrap();
                all == data
            });
            let mut writer = fs::File::create(&path).unwrap();
            let sizes = vec![one, all, writer.write(&data[..200_000]).unwrap()];
            writer.write_all(&data[200_000..]).unwrap();
            drop(writer);
            (text, sizes, reader.join().unwrap())
        })
    }

    fn broken_pipes(fs) -> Vec<Result<usize, Failure>> {
        let (reader, writer) = io::pipe().unwrap();
        let (mut reader, mut writer) = (fs::File::from(OwnedFd::from(reader)), fs::File::from(OwnedFd::from(writer)));
        let mut outcomes = vec![outcome(reader.seek(SeekFrom::Start(0)).map(|_| 0)), outcome(reader.read_at(&mut [0; 4], 0))];
        writer.write_all(b"rest").unwrap();
        drop(writer);
        outcomes.extend([outcome(reader.read(&mut [0; 8])), outcome(reader.read(&mut [0; 8]))]);
        let (reader, writer) = io::pipe().unwrap();
        let mut writer = fs::File::from(OwnedFd::from(writer));
        drop(reader);
        outcomes.extend([outcome(writer.write(b"x")), outcome(writer.write_vectored(&[IoSlice::new(b"x")]))]);
        outcomes
    }

    fn non_blocking_files(fs) -> Vec<Result<usize, Failure>> {
        let place = Place::new();
        let path = place.at("fifo");
        fifo(&path);
        let open = |options: &mut fs::OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(&path);
        let no_reader = outcome(open(fs::OpenOptions::new().write(true)).map(|_| 0));
        let mut reader = open(fs::OpenOptions::new().read(true)).unwrap();
        let nobody = outcome(reader.read(&mut [0; 8]));
        let mut writer = open(fs::OpenOptions::new().write(true)).unwrap();
        let mut outcomes = vec![no_reader, nobody, outcome(reader.read(&mut [0; 8]))];
        let filled = loop {
            match outcome(writer.write(&[0; 4096])) {
                Ok(_) => (),
                full => break full,
            }
        };
        outcomes.extend([filled, outcome(reader.read(&mut [0; 8])), outcome(reader.read_vectored(&mut [IoSliceMut::new(&mut [0; 8])]))]);
        outcomes
    }

    fn sparse_and_growing(fs) -> (u64, bool, usize, usize) {
        let place = Place::new();
        let path = place.at("sparse");
        let mut file = fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.write_all_at(b"end", 5 << 30).unwrap();
        let metadata = file.metadata().unwrap();
        let mut hole = [1; 100];
        file.read_exact_at(&mut hole, 4 << 30).unwrap();
        let end = file.seek(SeekFrom::End(0)).unwrap();
        let first = file.read(&mut hole).unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        (end, metadata.blocks() * 512 < 1 << 20 && hole == [0; 100], first, file.read(&mut hole).unwrap())
    }

    fn locks(fs) -> Vec<String> {
        let place = Place::new();
        let path = place.file("file", b"");
        let (one, two) = (fs::File::open(&path).unwrap(), fs::File::open(&path).unwrap());
        let mut seen = Vec::new();
        one.lock().unwrap();
        seen.push(format!("{:?} {:?}", two.try_lock(), two.try_lock_shared()));
        one.unlock().unwrap();
        one.lock_shared().unwrap();
        seen.push(format!("{:?} {:?}", two.try_lock_shared(), two.try_lock()));
        two.unlock().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                one.unlock().unwrap();
            });
            two.lock().unwrap();
        });
        seen.push(format!("{:?}", one.try_lock()));
        seen
    }

    fn adaptors(fs) -> (u64, Vec<String>) {
        let place = Place::new();
        let path = place.at("lines");
        let mut writer = BufWriter::new(fs::File::create(&path).unwrap());
        for line in 0..1000 {
            writeln!(writer, "line {line}").unwrap();
        }
        writer.into_inner().unwrap().sync_data().unwrap();
        let copied = io::copy(&mut fs::File::open(&path).unwrap(), &mut fs::File::create(place.at("copy")).unwrap()).unwrap();
        let lines = BufReader::new(fs::File::open(place.at("copy")).unwrap()).lines().skip(997);
        (copied, lines.map(Result::unwrap).collect())
    }

    fn descriptors_come_and_go(fs) -> (String, bool) {
        let place = Place::new();
        let path = place.file("file", b"the same");
        let file = fs::File::open(&path).unwrap();
        let number = file.as_raw_fd();
        // SAFETY: the descriptor was just given up by its owner.
        let file = unsafe { fs::File::from_raw_fd(file.into_raw_fd()) };
        let mut file = fs::File::from(OwnedFd::from(file));
        let same = file.as_raw_fd() == number;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (text, same)
    }

    fn a_file_as_standard_input_of_a_child(fs) -> Vec<u8> {
        let place = Place::new();
        let file = fs::File::open(place.file("file", b"for the child")).unwrap();
        std::process::Command::new("cat").stdin(file).output().unwrap().stdout
    }
}

#[test]
fn files_debug_as_stds_do() {
    let place = Place::new();
    let file = std::fs::File::open(place.file("file", b"")).unwrap();
    let expected = format!("{file:?}");
    let file = crate::fs::File::from(file);
    assert_eq!(format!("{file:?}"), expected);
    assert_eq!(format!("{:?}", std::fs::File::from(file)), expected);
}

/// What was read from `/dev/zero` in blocks of odd sizes, by readers that take turns.
#[test]
fn devices() {
    on_fiber(|| {
        let mut zero = crate::fs::File::open("/dev/zero").unwrap();
        let mut buf = vec![1; 100_001];
        zero.read_exact(&mut buf).unwrap();
        assert!(buf.iter().all(|byte| *byte == 0));
        let mut full = crate::fs::File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(full.write(&buf).unwrap_err().kind(), ErrorKind::StorageFull);
    });
}
