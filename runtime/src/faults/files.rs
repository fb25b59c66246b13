//! Files and paths.

use super::survives;
use crate::conformance::pattern;
use crate::driver::DriverKind;
use crate::driver::faulty::{Fault, Plan};
use crate::fs::{self, File, OpenOptions};
use crate::io::{copy, pipe};
use crate::os::unix::net::UnixStream;
use crate::runtime::Builder;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

#[test]
fn transfers() {
    survives(module_path!(), "transfers", |notes| {
        let (path, data) = (notes.folder.join("transfers"), pattern(200_000));
        let mut file =
            notes.again(|| OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path));
        for piece in data.chunks(70_000) {
            notes.put(&mut file, piece);
        }
        assert_eq!(notes.again(|| file.metadata()).len(), 200_000);
        notes.again(|| file.seek(SeekFrom::Start(0)));
        assert!(notes.take(&mut file, 300_000) == data);

        let mut at = 50_000;
        while at < 60_000 {
            at += notes.transfer(|| file.write_at(&[7; 10_000][at - 50_000..], at as u64));
        }
        let mut back = [0; 10_002];
        let mut got = 0;
        while got < back.len() {
            got += notes.transfer(|| file.read_at(&mut back[got..], 49_999 + got as u64));
        }
        assert_eq!((back[0], &back[1..10_001], back[10_001]), (data[49_999], &[7; 10_000][..], data[60_000]));

        notes.again(|| file.set_len(100_000));
        notes.again(|| file.seek(SeekFrom::End(0)));
        let (one, two) = ([1; 100], [2; 100]);
        let mut written = notes.transfer(|| file.write_vectored(&[IoSlice::new(&one), IoSlice::new(&two)]));
        while written < 200 {
            let rest = [[1; 100], [2; 100]].concat();
            written += notes.transfer(|| file.write(&rest[written..]));
        }
        notes.again(|| file.seek(SeekFrom::Start(99_999)));
        let (mut first, mut second) = ([0; 101], [0; 200]);
        let mut read =
            notes.transfer(|| file.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]));
        while read < 201 {
            let step = match read {
                0..101 => notes.transfer(|| file.read(&mut first[read..])),
                _ => notes.transfer(|| file.read(&mut second[read - 101..])),
            };
            assert_ne!(step, 0);
            read += step;
        }
        assert_eq!((first[1], second[0], second[99]), (1, 2, 2));
        notes.again(|| file.sync_data());
        notes.again(|| file.sync_all());
        notes.again(|| fs::remove_file(&path));
    });
}

#[test]
fn paths() {
    survives(module_path!(), "paths", |notes| {
        let at = |name: &str| notes.folder.join(name);
        notes.again(|| fs::create_dir(at("dir")));
        notes.again(|| fs::create_dir_all(at("dir/a/b")));
        notes.again(|| fs::write(at("dir/file"), "content"));
        assert_eq!(notes.again(|| fs::read_to_string(at("dir/file"))), "content");
        notes.again(|| fs::rename(at("dir/file"), at("dir/new")));
        assert!(!notes.again(|| fs::exists(at("dir/file"))));
        notes.again(|| fs::hard_link(at("dir/new"), at("dir/link")));
        notes.again(|| crate::os::unix::fs::symlink("new", at("dir/symlink")));
        assert_eq!(notes.again(|| fs::symlink_metadata(at("dir/symlink"))).len(), 3);
        assert_eq!(notes.again(|| fs::metadata(at("dir/symlink"))).len(), 7);
        assert_eq!(notes.again(|| fs::canonicalize(at("dir/symlink"))).file_name().unwrap(), "new");
        assert_eq!(notes.again(|| fs::copy(at("dir/new"), at("dir/copy"))), 7);
        let names = notes.again(|| {
            let entries = fs::read_dir(at("dir"))?.map(|entry| entry.map(|entry| entry.file_name()));
            entries.collect::<std::io::Result<Vec<_>>>()
        });
        assert_eq!(names.len(), 5, "{names:?}");
        notes.again(|| fs::remove_file(at("dir/new")));
        assert_eq!(notes.again(|| fs::read(at("dir/copy"))), b"content");
        notes.again(|| fs::remove_dir(at("dir/a/b")));
        notes.again(|| fs::remove_dir_all(at("dir")));
    });
}

/// All there is, or else an error and the beginning of it.
#[test]
fn copies() {
    survives(module_path!(), "copies", |notes| {
        let data = pattern(150_000);
        let (source, target) = (notes.folder.join("source"), notes.folder.join("target"));
        std::fs::write(&source, &data).unwrap();

        // From file to file.
        let whole = match copy(&mut notes.again(|| File::open(&source)), &mut notes.again(|| File::create(&target))) {
            Ok(copied) => copied == 150_000,
            Err(error) => {
                notes.note(error);
                false
            }
        };
        arrived(&std::fs::read(&target).unwrap(), &data, whole);

        // From file to pipe, and from pipe to file.
        let (mut reader, mut writer) = notes.again(pipe);
        crate::scope(|scope| {
            let source = notes.again(|| File::open(&source));
            let copying = scope.spawn(move || copy(&mut &source, &mut writer));
            let target_file = notes.again(|| File::create(&target));
            let received = copy(&mut reader, &mut &target_file);
            // Whoever writes to it sees that nobody reads any more.
            drop(reader);
            let sent = copying.join().unwrap();
            let whole = sent.is_ok() && received.is_ok();
            for error in [sent.err(), received.err()].into_iter().flatten() {
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    notes.note(error);
                }
            }
            arrived(&std::fs::read(&target).unwrap(), &data, whole);
        });
        std::fs::remove_file(source).unwrap();
        std::fs::remove_file(target).unwrap();

        // From connection to pipe.
        let (mut reader, mut writer) = notes.again(pipe);
        let (mut near, mut far) = notes.again(UnixStream::pair);
        crate::scope(|scope| {
            let copying = scope.spawn(move || copy(&mut near, &mut writer));
            let sending = scope.spawn(|| far.write_all(&data).and_then(|()| far.shutdown(Shutdown::Write)));
            let received = notes.take(&mut reader, data.len() + 1);
            let sent = sending.join().unwrap();
            let copied = copying.join().unwrap();
            let whole = sent.is_ok() && copied.is_ok();
            for error in [sent.err(), copied.err()].into_iter().flatten() {
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    notes.note(error);
                }
            }
            arrived(&received, &data, whole);
        });
    });
}

fn arrived(target: &[u8], data: &[u8], whole: bool) {
    assert!(data.starts_with(target), "what has arrived is the beginning, once");
    assert!(!whole || target.len() == data.len(), "what was reported as copied is there: {}", target.len());
}

/// What is in the page cache is read by a call that does not wait. A direct read waits for the disk: it has to be an operation, or the
/// worker and all its fibers wait too.
#[test]
fn direct_reads_are_operations() {
    #[repr(align(4096))]
    struct Block([u8; 4096]);
    let path = std::env::temp_dir().join(format!("fiber-direct-{}", std::process::id()));
    std::fs::write(&path, [7; 8192]).unwrap();
    for (flags, operations) in [(0, 0), (libc::O_DIRECT, 2)] {
        // It can strike reads, and never does.
        let plan = Plan::new(Fault::Short, usize::MAX);
        let mut builder = Builder::new().workers(1).driver(DriverKind::IoUring);
        builder.driver_config.plan = Some(plan.clone());
        let Ok(runtime) = builder.build() else { continue };
        if runtime.handle().driver() != DriverKind::IoUring {
            // The environment wants the other. There, a thread makes the call.
            continue;
        }
        let read = runtime.run(|| {
            let file = OpenOptions::new().read(true).custom_flags(flags).open(&path)?;
            let mut block = Box::new(Block([0; 4096]));
            file.read_exact_at(&mut block.0, 4096)?;
            assert_eq!(block.0, [7; 4096]);
            (&file).read_exact(&mut block.0)
        });
        match read {
            Ok(()) => assert_eq!(plan.met(), operations),
            // Not on this file system.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error:?}"),
        }
    }
    std::fs::remove_file(path).unwrap();
}
