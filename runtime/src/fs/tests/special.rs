//! Names, files and limits that are not the usual ones.

use super::{Place, fifo};
use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern};
use crate::fiber::stack::child::{assert_passed, rerun};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::thread;

/// A terminal: its controlling end, and the end for a program.
fn terminal() -> (OwnedFd, OwnedFd) {
    // Not for children of other tests, which would keep it open.
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: no memory is passed; the descriptors are new and nobody else's.
    unsafe {
        let master = libc::posix_openpt(flags);
        assert!(master >= 0, "{}", io::Error::last_os_error());
        let master = OwnedFd::from_raw_fd(master);
        assert_eq!(libc::unlockpt(master.as_raw_fd()), 0);
        let slave = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        assert!(slave >= 0, "{}", io::Error::last_os_error());
        (master, OwnedFd::from_raw_fd(slave))
    }
}

/// Turns off the echo and the translation of line ends of a terminal.
fn quieten(terminal: &OwnedFd) {
    let mut modes = MaybeUninit::<libc::termios>::zeroed();
    // SAFETY: the call writes the modes, of which zeroes are a value.
    let mut modes = unsafe {
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), modes.as_mut_ptr()), 0);
        modes.assume_init()
    };
    modes.c_lflag &= !libc::ECHO;
    modes.c_oflag &= !libc::OPOST;
    // SAFETY: the call reads the modes.
    assert_eq!(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &raw const modes) }, 0);
}

/// Written on whatever a directory can have in it.
const NAMES: [&[u8]; 8] = [
    b"plain",
    b"not \xff\xfe text",
    b"two\nlines",
    b" spaces ",
    b"-rf",
    "längliches \u{1f980}".as_bytes(),
    b"\x01\x02\x7f",
    b"\\back\\slash\"quote'",
];

conformance! {fs:
    /// A terminal gives a line at a time, nothing for an end (^D), and an error when its other side has gone.
    fn terminals(fs) -> (Vec<Vec<u8>>, Vec<Result<usize, Failure>>) {
        let (master, slave) = terminal();
        quieten(&slave);
        let (mut master, mut slave) = (fs::File::from(master), fs::File::from(slave));
        master.write_all(b"one line\nand another\n\x04").unwrap();
        let mut lines = Vec::new();
        for _ in 0..3 {
            let mut buf = [0; 100];
            let read = slave.read(&mut buf).unwrap();
            lines.push(buf[..read].to_vec());
        }
        // Somebody types while the program waits.
        let waited = thread::scope(|scope| {
            let mut typing = std::fs::File::from(OwnedFd::from(master.try_clone().unwrap()));
            scope.spawn(move || {
                thread::sleep(std::time::Duration::from_millis(5));
                typing.write_all(b"half ").unwrap();
                thread::sleep(std::time::Duration::from_millis(5));
                typing.write_all(b"and half\n").unwrap();
            });
            let mut buf = [0; 100];
            let read = slave.read(&mut buf).unwrap();
            buf[..read].to_vec()
        });
        lines.push(waited);
        slave.write_all(b"answer").unwrap();
        let mut answer = vec![0; 6];
        master.read_exact(&mut answer).unwrap();
        lines.push(answer);
        let outcomes = vec![
            outcome(slave.seek(SeekFrom::Start(0)).map(|at| at as usize)),
            outcome(slave.read_at(&mut [0; 4], 0)),
            outcome(slave.read(&mut [])),
            outcome(slave.read_vectored(&mut [])),
            { drop(slave); outcome(master.read(&mut [0; 8])) },
        ];
        (lines, outcomes)
    }

    fn odd_names(fs) -> (Vec<Vec<u8>>, Vec<Result<(), Failure>>) {
        let place = Place::new();
        let names = NAMES.map(OsStr::from_bytes);
        let mut outcomes = Vec::new();
        for name in names {
            let below = place.at(name).join(name);
            outcomes.extend([
                outcome(fs::create_dir(place.at(name))),
                outcome(fs::write(&below, name.as_bytes())),
                outcome(fs::read(&below).map(|content| assert_eq!(content, name.as_bytes()))),
                outcome(fs::rename(&below, place.at("moved"))),
                outcome(fs::hard_link(place.at("moved"), &below)),
                outcome(fs::canonicalize(&below).map(|path| assert_eq!(path.file_name(), Some(name)))),
                outcome(fs::remove_file(place.at("moved"))),
            ]);
        }
        let longest = "x".repeat(255);
        outcomes.extend([
            outcome(fs::write(place.at(&longest), "")),
            outcome(fs::write(place.at(longest.clone() + "x"), "")),
            outcome(fs::metadata(place.at(&longest)).map(drop)),
            outcome(fs::metadata(place.0.join("x/".repeat(3000))).map(drop)),
            outcome(fs::metadata(place.at(format!("{longest}/"))).map(drop)),
            outcome(fs::create_dir(place.at("dir/"))),
            outcome(fs::remove_dir(place.at("dir/."))),
            outcome(fs::remove_dir(place.at("dir//"))),
            outcome(fs::write(place.at("nul\0inside"), "")),
        ]);
        let mut found: Vec<_> =
            fs::read_dir(&place.0).unwrap().map(|entry| entry.unwrap().file_name().as_bytes().to_vec()).collect();
        found.sort();
        (found, outcomes)
    }

    /// A file that others lengthen and shorten between the reads.
    fn growing_and_shrinking(fs) -> (Vec<usize>, Vec<u8>) {
        let place = Place::new();
        let path = place.file("file", b"begin");
        let mut other = std::fs::File::options().append(true).open(&path).unwrap();
        let mut file = fs::File::open(&path).unwrap();
        let mut buf = [0; 100];
        let mut read = vec![file.read(&mut buf).unwrap(), file.read(&mut buf).unwrap()];
        other.write_all(b", more").unwrap();
        read.extend([file.read(&mut buf[5..]).unwrap(), file.read(&mut buf[11..]).unwrap()]);
        other.set_len(3).unwrap();
        read.extend([file.read(&mut buf[11..]).unwrap(), file.read_at(&mut buf[11..], 1).unwrap()]);
        other.write_all(b"the rest of it").unwrap();
        read.push(file.read(&mut buf[20..]).unwrap());
        (read, buf.to_vec())
    }

    /// Nothing at all, and more than a call takes. The memory is never touched, so it is never there.
    fn empty_and_huge_buffers(fs) -> Vec<Result<usize, Failure>> {
        let place = Place::new();
        let path = place.file("file", b"content");
        let mut file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut huge = vec![0; 5 << 30];
        let mut null = fs::File::options().write(true).open("/dev/null").unwrap();
        vec![
            outcome(file.read(&mut [])),
            outcome(file.read_at(&mut [], 3)),
            outcome(file.write(&[])),
            outcome(file.write_at(&[], 1 << 40)),
            outcome(file.read_vectored(&mut [])),
            outcome(file.write_vectored(&[])),
            outcome(file.read_at(&mut huge, 2)),
            outcome(file.read(&mut huge)),
            outcome(file.read(&mut huge)),
            outcome(file.read_at(&mut [0; 8], 1 << 62)),
            outcome(file.read_at(&mut [0; 8], u64::MAX - 8)),
            outcome(null.write(&huge)),
            outcome(null.write_at(&huge, 7)),
            outcome(file.metadata().map(|metadata| metadata.len() as usize)),
        ]
    }

    fn files_that_are_made_up(fs) -> Vec<Result<usize, Failure>> {
        let mut status = fs::File::open("/proc/self/status").unwrap();
        let mut begin = [0; 5];
        let mut directory = fs::File::open("/proc/self").unwrap();
        let memory = fs::File::open("/proc/self/mem").unwrap();
        vec![
            outcome(status.read_at(&mut begin, 0)),
            outcome(status.read_at(&mut [0; 8], 1 << 30)),
            outcome(status.seek(SeekFrom::Start(2)).map(|at| at as usize)),
            outcome(status.read(&mut begin[..2])),
            outcome(status.write(b"no")),
            outcome(status.set_len(0).map(|()| 0)),
            outcome(directory.read(&mut [0; 8])),
            outcome(memory.read_at(&mut [0; 8], 0)),
            outcome(fs::write("/proc/self/status", "no").map(|()| 0)),
            outcome(fs::write("/proc/nothing", "no").map(|()| 0)),
            outcome(fs::rename("/proc/self/status", "/proc/self/other").map(|()| 0)),
            outcome(fs::read("/proc/self/cmdline").map(|text| usize::from(text.is_empty()))),
        ]
    }

    /// A FIFO whose writers come and go.
    fn fifos_that_end(fs) -> (Vec<usize>, Vec<u8>) {
        let place = Place::new();
        let path = place.at("fifo");
        fifo(&path);
        thread::scope(|scope| {
            let opening = scope.spawn(|| std::fs::File::create(&path).unwrap());
            let mut reader = fs::File::open(&path).unwrap();
            let mut writer = opening.join().unwrap();
            let mut buf = [0; 20];
            writer.write_all(b"one").unwrap();
            let mut read = vec![reader.read(&mut buf).unwrap()];
            let waiting = scope.spawn(move || {
                thread::sleep(std::time::Duration::from_millis(5));
                drop(writer);
            });
            // Its end comes while it is waited for.
            read.push(reader.read(&mut buf[3..]).unwrap());
            waiting.join().unwrap();
            let mut writer = std::fs::File::create(&path).unwrap();
            writer.write_all(b"two").unwrap();
            read.push(reader.read(&mut buf[3..]).unwrap());
            (read, buf.to_vec())
        })
    }

    /// Past the page cache: of whole blocks, at and from their beginnings.
    fn direct(fs) -> Vec<Result<usize, Failure>> {
        #[repr(align(4096))]
        struct Aligned([u8; 16384]);
        let place = Place::new();
        let path = place.file("file", pattern(20_000));
        let mut options = fs::OpenOptions::new();
        let Ok(file) = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(&path) else {
            // Not on this file system.
            return Vec::new();
        };
        let mut buf = Box::new(Aligned([0; 16384]));
        let mut outcomes = vec![
            outcome(file.read_at(&mut buf.0[..8192], 4096)),
            outcome(file.read_at(&mut buf.0[1..4097], 4096)),
            outcome(file.read_at(&mut buf.0[..100], 0)),
            outcome(file.read_at(&mut buf.0[..4096], 10)),
            outcome(file.read_at(&mut buf.0, 16384)),
            outcome(file.read_at(&mut buf.0, 20480)),
        ];
        buf.0.fill(9);
        outcomes.extend([outcome(file.write_at(&buf.0[..4096], 8192)), outcome(file.write_at(&buf.0[..100], 0))]);
        let mut expected = pattern(20_000);
        expected[8192..12288].fill(9);
        assert!(std::fs::read(&path).unwrap() == expected);
        outcomes
    }
}

/// What whoever is not root may not do. For the whole process, as the kernel and the pool work for it on threads of their own.
#[test]
fn permissions() {
    if let Some(output) = rerun(module_path!(), "permissions") {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        return assert_passed(&output);
    }
    macro_rules! body {
        ($fs:ident, $place:ident) => {{
            let at = |name: &str| $place.at(name);
            vec![
                outcome($fs::File::open(at("closed")).map(drop)),
                outcome($fs::File::options().write(true).open(at("readable")).map(drop)),
                outcome($fs::read(at("readable")).map(drop)),
                outcome($fs::write(at("writable"), "new")),
                outcome($fs::read(at("writable")).map(drop)),
                outcome($fs::metadata(at("locked/inside")).map(drop)),
                outcome($fs::exists(at("locked/inside")).map(drop)),
                outcome($fs::read_dir(at("locked")).map(drop)),
                outcome($fs::create_dir(at("new"))),
                outcome($fs::create_dir_all(at("new/a/b"))),
                outcome($fs::rename(at("readable"), at("moved"))),
                outcome($fs::remove_file(at("readable"))),
                outcome($fs::remove_dir(at("locked"))),
                outcome($fs::remove_dir_all(at("locked"))),
                outcome($fs::hard_link(at("closed"), at("link"))),
                outcome($fs::set_permissions(at("readable"), Permissions::from_mode(0o777))),
                outcome($fs::copy(at("closed"), at("writable")).map(drop)),
                outcome($fs::canonicalize(at("locked/inside")).map(drop)),
            ]
        }};
    }
    let place = Place::new();
    for (name, mode) in [("closed", 0), ("readable", 0o444), ("writable", 0o222)] {
        std::fs::set_permissions(place.file(name, "content"), Permissions::from_mode(mode)).unwrap();
    }
    std::fs::create_dir(place.at("locked")).unwrap();
    place.file("locked/inside", "");
    std::fs::set_permissions(place.at("locked"), Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(&place.0, Permissions::from_mode(0o755)).unwrap();
    // SAFETY: no memory is passed. Of all threads, by the C library.
    let nobody = unsafe { libc::seteuid(65534) } == 0;
    let (expected, found) = {
        use std::fs;
        let expected = body!(fs, place);
        use crate::fs as ours;
        (expected, on_fiber(|| body!(ours, place)))
    };
    // SAFETY: as above.
    assert!(!nobody || unsafe { libc::seteuid(0) } == 0);
    std::fs::set_permissions(place.at("locked"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(found, expected);
    let refused = found.iter().filter(|outcome| matches!(outcome, Err((io::ErrorKind::PermissionDenied, _)))).count();
    if nobody {
        assert!(refused >= 12, "{found:?}");
    } else {
        println!("skipped: permissions are tried as root only");
    }
}

/// A write that meets the limit of a file's size is short, and the next one fails.
#[test]
fn the_largest_file() {
    if let Some(output) = rerun(module_path!(), "the_largest_file") {
        return assert_passed(&output);
    }
    let limit = libc::rlimit { rlim_cur: 100_000, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel reads the limit; the signal that comes with the error is ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
    macro_rules! body {
        ($fs:ident) => {{
            let place = Place::new();
            let mut file = $fs::File::create(place.at("file")).unwrap();
            vec![
                outcome(file.write(&[1; 99_000])),
                outcome(file.write(&[2; 2000])),
                outcome(file.stream_position().map(|at| at as usize)),
                outcome(file.write(&[3; 2000])),
                outcome($fs::read(place.at("file")).map(|content| content.iter().map(|&byte| usize::from(byte)).sum())),
                outcome(file.write_at(&[4; 2000], 99_500)),
                outcome(file.write_at(&[4; 2000], 100_000)),
                outcome(file.set_len(100_001).map(|()| 0)),
                outcome($fs::write(place.at("other"), [5; 100_001]).map(|()| 0)),
                outcome($fs::metadata(place.at("other")).map(|metadata| metadata.len() as usize)),
                outcome(file.seek(SeekFrom::Start(99_000)).map(|at| at as usize)),
                outcome(file.write_vectored(&[IoSlice::new(&[6; 900]), IoSlice::new(&[7; 900])])),
                outcome(file.stream_position().map(|at| at as usize)),
                {
                    let mut file = $fs::File::options().append(true).open(place.at("file")).unwrap();
                    file.set_len(99_990).unwrap();
                    outcome(file.write_all(&[8; 20]).map(|()| 0))
                },
                outcome(file.metadata().map(|metadata| metadata.len() as usize)),
            ]
        }};
    }
    let expected = {
        use std::fs;
        body!(fs)
    };
    use crate::fs;
    assert_eq!(on_fiber(|| body!(fs)), expected);
    assert_eq!(expected[1], Ok(1000));
}
