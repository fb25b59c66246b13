//! What is done with paths.

use super::{Place, fifo};
use crate::conformance::{Failure, conformance, on_fiber, outcome, said};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

conformance! { fs:
    fn metadata_of_everything(fs) -> Vec<String> {
        let place = Place::new();
        // Not files of this test's alone: those of the two runs would differ.
        let mut seen = Vec::new();
        for path in ["/", "/proc/self/exe", "/dev/null", "/etc/passwd", "/proc", "/bin", "/nothing", "/etc/passwd/below", ""] {
            for found in [fs::metadata(path), fs::symlink_metadata(path)] {
                seen.push(match found {
                    Ok(found) => format!(
                        "{path} {:?} {} {} {} {} {:o} {} {} {} {} {} {} {} {} {} {} {:?} {:?}",
                        found.file_type(), found.is_dir(), found.is_file(), found.is_symlink(), found.len(), found.mode(),
                        found.dev(), found.uid(), found.gid(), found.rdev(), found.size(), found.mtime(),
                        found.mtime_nsec(), found.ctime(), found.ctime_nsec(), found.blksize(),
                        // A process's own folder of /proc is not made before it is looked at.
                        (!path.starts_with("/proc")).then(|| (found.ino(), found.nlink(), found.blocks())),
                        (!path.starts_with("/proc")).then(|| (found.modified().unwrap(), found.created().is_ok())),
                    ).replace("/proc/self/exe", "exe"),
                    Err(error) => format!("{path} {error}"),
                });
            }
        }
        fifo(&place.at("fifo"));
        let _socket = std::os::unix::net::UnixListener::bind(place.at("socket")).unwrap();
        for path in [&place.at("fifo"), &place.at("socket"), Path::new("/dev/null")] {
            let kind = fs::metadata(path).unwrap().file_type();
            seen.push(format!("{} {} {} {}", kind.is_fifo(), kind.is_socket(), kind.is_char_device(), kind.is_block_device()));
        }
        seen
    }

    fn making_and_removing(fs) -> Vec<Result<(), Failure>> {
        let place = Place::new();
        let file = place.file("file", b"");
        vec![
            outcome(fs::create_dir(place.at("dir"))),
            outcome(fs::create_dir(place.at("dir"))),
            outcome(fs::create_dir(place.at("a/b"))),
            outcome(fs::create_dir_all(place.at("a/b/c"))),
            outcome(fs::create_dir_all(place.at("a/b/c"))),
            outcome(fs::create_dir_all(file.join("below"))),
            outcome(fs::remove_dir(place.at("a"))),
            outcome(fs::remove_dir(place.at("dir"))),
            outcome(fs::remove_dir(&file)),
            outcome(fs::remove_file(place.at("a"))),
            outcome(fs::remove_file(&file)),
            outcome(fs::remove_file(&file)),
            outcome(fs::remove_dir_all(place.at("a"))),
            outcome(fs::remove_dir_all(place.at("a"))),
            outcome(fs::create_dir("zero\0inside")),
            outcome(fs::remove_file("")),
            said(fs::remove_file("zero\0inside")).map_err(|text| (ErrorKind::Other, Some(text.len() as i32))),
        ]
    }

    fn modes_of_directories(fs) -> (u32, u32, Result<(), Failure>) {
        let place = Place::new();
        fs::DirBuilder::new().mode(0o700).create(place.at("one")).unwrap();
        fs::DirBuilder::new().mode(0o750).recursive(true).create(place.at("two/three")).unwrap();
        (
            fs::metadata(place.at("one")).unwrap().permissions().mode(),
            fs::metadata(place.at("two/three")).unwrap().permissions().mode(),
            outcome(fs::DirBuilder::new().create(place.at("four/five"))),
        )
    }

    fn renaming_and_linking(fs) -> (Vec<Result<(), Failure>>, Vec<Option<Vec<u8>>>, u64) {
        let place = Place::new();
        place.file("one", b"one");
        place.file("two", b"two");
        std::fs::create_dir(place.at("dir")).unwrap();
        place.file("dir/inside", b"inside");
        symlink("one", place.at("link")).unwrap();
        let outcomes = vec![
            outcome(fs::rename(place.at("one"), place.at("two"))),
            outcome(fs::rename(place.at("one"), place.at("three"))),
            outcome(fs::rename(place.at("two"), place.at("dir"))),
            outcome(fs::rename(place.at("dir"), place.at("two"))),
            outcome(fs::rename(place.at("two"), place.at("none/two"))),
            outcome(fs::hard_link(place.at("two"), place.at("hard"))),
            outcome(fs::hard_link(place.at("two"), place.at("hard"))),
            outcome(fs::hard_link(place.at("link"), place.at("link of the link"))),
            outcome(fs::hard_link(place.at("dir"), place.at("dir2"))),
            outcome(fs::rename("a\0b", place.at("x"))),
            outcome(fs::hard_link(place.at("two"), "a\0b")),
        ];
        let names = ["one", "two", "three", "hard", "dir/inside", "link of the link"];
        let contents = names.map(|name| std::fs::read(place.at(name)).ok()).into();
        let links = std::fs::metadata(place.at("two")).unwrap().nlink();
        assert!(std::fs::symlink_metadata(place.at("link of the link")).unwrap().is_symlink());
        (outcomes, contents, links)
    }

    fn links_and_real_paths(fs) -> Vec<Result<bool, Failure>> {
        let place = Place::new();
        place.file("file", b"");
        symlink("file", place.at("link")).unwrap();
        symlink("nothing", place.at("broken")).unwrap();
        symlink("loop", place.at("loop")).unwrap();
        let real = std::fs::canonicalize(place.at("file")).unwrap();
        #[expect(deprecated)]
        fs::soft_link("file", place.at("soft")).unwrap();
        let is = |path: PathBuf, expected: &Path| path == expected;
        vec![
            outcome(fs::read_link(place.at("link"))).map(|path| is(path, Path::new("file"))),
            outcome(fs::read_link(place.at("soft"))).map(|path| is(path, Path::new("file"))),
            outcome(fs::read_link(place.at("file"))).map(|_| false),
            outcome(fs::canonicalize(place.at("./link"))).map(|path| is(path, &real)),
            outcome(fs::canonicalize(place.at("broken"))).map(|_| false),
            outcome(fs::canonicalize(place.at("loop"))).map(|_| false),
            outcome(fs::exists(place.at("link"))),
            outcome(fs::exists(place.at("broken"))),
            outcome(fs::exists(place.at("loop"))),
            outcome(fs::exists(place.at("file/below"))),
            outcome(fs::exists("a\0b")),
            outcome(fs::metadata(place.at("broken"))).map(|_| false),
            outcome(fs::symlink_metadata(place.at("broken"))).map(|found| found.is_symlink()),
            outcome(fs::remove_file(place.at("broken"))).map(|()| true),
        ]
    }

    fn copying(fs) -> (Vec<Result<u64, Failure>>, Vec<u8>, u32) {
        let place = Place::new();
        let from = place.file("from", vec![7; 100_000]);
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o640)).unwrap();
        let outcomes = vec![
            outcome(fs::copy(&from, place.at("to"))),
            outcome(fs::copy(place.at("nothing"), place.at("to"))),
            outcome(fs::copy(&place.0, place.at("to"))),
            outcome(fs::copy("/proc/self/comm", place.at("comm"))).map(|copied| copied.min(1)),
        ];
        (outcomes, std::fs::read(place.at("to")).unwrap(), fs::metadata(place.at("to")).unwrap().permissions().mode())
    }

    fn reading_directories(fs) -> (Vec<(Vec<u8>, bool, bool, bool, bool)>, Vec<Result<(), Failure>>) {
        let place = Place::new();
        let odd = OsStr::from_bytes(b"odd \xff\n name");
        std::fs::write(place.at(odd), b"x").unwrap();
        std::fs::create_dir(place.at("dir")).unwrap();
        symlink("nothing", place.at("link")).unwrap();
        for number in 0..300 {
            place.file(&format!("file {number}"), b"");
        }
        let mut entries: Vec<_> = fs::read_dir(&place.0).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let found = entry.metadata().unwrap();
            assert_eq!(entry.path(), place.at(entry.file_name()));
            assert_eq!((found.ino(), found.file_type()), (entry.ino(), kind));
            (entry.file_name().as_bytes().to_vec(), kind.is_dir(), kind.is_file(), kind.is_symlink(), found.len() == 1)
        }).collect();
        entries.sort();
        let mut ended = fs::read_dir(place.at("dir")).unwrap();
        assert!(ended.next().is_none() && ended.next().is_none());
        let failures = vec![
            outcome(fs::read_dir(place.at("nothing")).map(drop)),
            outcome(fs::read_dir(place.at("link")).map(drop)),
            outcome(fs::read_dir(place.at(odd)).map(drop)),
        ];
        (entries, failures)
    }
}

/// The functions of `os::unix::fs`, beside std's.
#[test]
fn functions_of_unix() {
    use crate::os::unix::fs as ours;
    use std::os::unix::fs as stds;
    on_fiber(|| {
        let place = Place::new();
        let file = place.file("file", b"");
        ours::symlink(&file, place.at("link")).unwrap();
        assert_eq!(std::fs::read_link(place.at("link")).unwrap(), file);
        assert_eq!(outcome(ours::symlink(&file, place.at("link"))), outcome(stds::symlink(&file, place.at("link"))));
        assert_eq!(outcome(ours::symlink("", place.at("empty"))), outcome(stds::symlink("", place.at("empty"))));
        let nobody = std::fs::metadata(&file).unwrap();
        let (uid, gid) = (Some(nobody.uid()), Some(nobody.gid()));
        ours::chown(&file, uid, gid).unwrap();
        ours::lchown(place.at("link"), uid, None).unwrap();
        ours::fchown(crate::fs::File::open(&file).unwrap(), None, gid).unwrap();
        let missing = place.at("missing");
        assert_eq!(outcome(ours::chown(&missing, uid, gid)), outcome(stds::chown(&missing, uid, gid)));
        assert_eq!(outcome(ours::lchown(&missing, uid, gid)), outcome(stds::lchown(&missing, uid, gid)));
        assert_eq!(outcome(ours::chroot(&missing)), outcome(stds::chroot(&missing)));
    });
}

/// Times before the epoch and broken ones survive both ways in which metadata are made.
#[test]
fn metadata_are_the_same_either_way() {
    use std::time::{Duration, UNIX_EPOCH};
    let place = Place::new();
    let path = place.file("file", b"text");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(UNIX_EPOCH - Duration::new(3, 1))).unwrap();
    let std = std::fs::metadata(&path).unwrap();
    let converted = crate::fs::Metadata::from(std.clone());
    let asked = on_fiber(|| crate::fs::metadata(&path).unwrap());
    assert_eq!(format!("{asked:?}"), format!("{converted:?}"));
    assert_eq!(asked.modified().unwrap(), std.modified().unwrap());
    assert_eq!(asked.created().ok(), std.created().ok());
}
