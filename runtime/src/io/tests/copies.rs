//! Copying.

use crate::conformance::{on_fiber, pattern};
use crate::fs::{self, File, OpenOptions};
use crate::io::{PipeReader, PipeWriter, copy, pipe};
use crate::net::UnixStream;
use crate::on_fibers::on_one_worker;
use crate::runtime::{Handle, Reason, State};
use crate::time::{sleep, timeout};
use crate::{Cancelled, spawn};
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::path::PathBuf;

/// A file that is removed with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("fiber-copy-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A pipe from which these come.
fn source(data: &[u8]) -> PipeReader {
    let (reader, mut writer) = pipe().unwrap();
    let data = data.to_vec();
    spawn(move || {
        // In pieces, so that the copy has to wait now and then; an end of the reader before is the test's matter.
        for piece in data.chunks(30_000) {
            let _ = writer.write_all(piece);
            crate::yield_now();
        }
    });
    reader
}

/// A pipe, and a fiber that collects what comes out of it.
fn sink() -> (PipeWriter, crate::JoinHandle<Vec<u8>>) {
    let (mut reader, writer) = pipe().unwrap();
    let collect = move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    };
    (writer, spawn(collect))
}

#[test]
fn between_ends_of_all_kinds() {
    let (from, to) = (Scratch::new("from"), Scratch::new("to"));
    for len in [0, 1, 70_000, 5 << 20] {
        let data = &pattern(len);
        std::fs::write(&from.0, data).unwrap();
        on_one_worker(|| {
            let len = len as u64;
            let (mut writer, all) = sink();
            assert_eq!(copy(&mut source(data), &mut writer).unwrap(), len);
            drop(writer);
            assert!(all.join().unwrap() == *data, "pipe to pipe");

            assert_eq!(copy(&mut source(data), &mut File::create(&to.0).unwrap()).unwrap(), len);
            assert!(fs::read(&to.0).unwrap() == *data, "pipe to file");

            let (writer, all) = sink();
            assert_eq!(copy(&mut File::open(&from.0).unwrap(), &mut &writer).unwrap(), len);
            drop(writer);
            assert!(all.join().unwrap() == *data, "file to pipe");

            assert_eq!(copy(&mut &File::open(&from.0).unwrap(), &mut &File::create(&to.0).unwrap()).unwrap(), len);
            assert!(fs::read(&to.0).unwrap() == *data, "file to file");

            let (mut near, mut far) = UnixStream::pair().unwrap();
            let receiving = spawn(move || {
                let mut all = Vec::new();
                copy(&mut far, &mut all).map(|copied| (copied, all))
            });
            assert_eq!(copy(&mut File::open(&from.0).unwrap(), &mut near).unwrap(), len);
            near.shutdown(Shutdown::Write).unwrap();
            assert!(receiving.join().unwrap().unwrap() == (len, data.clone()), "file to socket to memory");

            let mut back = Vec::new();
            assert_eq!(copy(&mut Cursor::new(data), &mut back).unwrap(), len);
            assert!(back == *data, "memory to memory");
            let mut reader = BufReader::new(source(data));
            assert_eq!(copy(&mut reader, &mut io::sink()).unwrap(), len, "through a buffer of the caller's");
            let (reader, writer): (&mut dyn Read, &mut dyn Write) = (&mut source(data), &mut back);
            assert_eq!(copy(reader, writer).unwrap(), len, "of types that are not known");
        });
    }
}

/// What was read or written before stays where it is, and the positions are where the copy ended.
#[test]
fn from_and_to_the_middle_of_files() {
    let (from, to) = (Scratch::new("middle-from"), Scratch::new("middle-to"));
    std::fs::write(&from.0, "0123456789").unwrap();
    on_fiber(|| {
        let mut reader = File::open(&from.0).unwrap();
        let mut writer = OpenOptions::new().write(true).create(true).truncate(true).open(&to.0).unwrap();
        reader.seek(SeekFrom::Start(7)).unwrap();
        writer.write_all(b"before ").unwrap();
        assert_eq!(copy(&mut reader, &mut writer).unwrap(), 3);
        assert_eq!((reader.stream_position().unwrap(), writer.stream_position().unwrap()), (10, 10));
        writer.write_all(b" after").unwrap();
        assert_eq!(copy(&mut reader, &mut writer).unwrap(), 0);
        // The kernel copies nothing to a file that is appended to.
        let mut appending = OpenOptions::new().append(true).open(&to.0).unwrap();
        reader.rewind().unwrap();
        assert_eq!(copy(&mut reader, &mut appending).unwrap(), 10);
        assert_eq!(copy(&mut source(b" end"), &mut appending).unwrap(), 4);
        assert_eq!(fs::read_to_string(&to.0).unwrap(), "before 789 after0123456789 end");
    });
}

/// Files that say that they are empty, and are not.
#[test]
fn from_files_of_proc() {
    let to = Scratch::new("proc");
    on_fiber(|| {
        let open = || File::open("/proc/self/mounts").unwrap();
        let expected = fs::read("/proc/self/mounts").unwrap();
        let len = expected.len() as u64;
        assert!(len > 0);
        assert_eq!(copy(&mut open(), &mut File::create(&to.0).unwrap()).unwrap(), len);
        assert_eq!(fs::read(&to.0).unwrap(), expected);
        let (mut writer, all) = sink();
        assert_eq!(copy(&mut open(), &mut writer).unwrap(), len);
        drop(writer);
        assert_eq!(all.join().unwrap(), expected);
    });
}

#[test]
fn copies_that_fail() {
    let scratch = Scratch::new("fail");
    std::fs::write(&scratch.0, "text").unwrap();
    on_fiber(|| {
        let broken = || {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            writer
        };
        assert_eq!(copy(&mut source(&[1; 100]), &mut broken()).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(
            copy(&mut File::open(&scratch.0).unwrap(), &mut broken()).unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        let mut unwritable = File::open(&scratch.0).unwrap();
        assert_eq!(copy(&mut source(&[1; 100]), &mut unwritable).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let mut from = File::open(&scratch.0).unwrap();
        assert_eq!(copy(&mut from, &mut unwritable).unwrap_err().raw_os_error(), Some(libc::EBADF));
    });
}

/// Both waits of a copy between pipes, and that of one to a file: cancelled, and out of time.
#[test]
fn waiting_can_be_cancelled() {
    let to = Scratch::new("cancel");
    on_one_worker(|| {
        let until_copying = || {
            let copies = || {
                let dump = Handle::try_current().unwrap().dump();
                dump.fibers().iter().any(|fiber| fiber.state() == State::Waiting(Reason::Copy))
            };
            while !copies() {
                sleep(std::time::Duration::from_micros(100));
            }
        };
        let (empty, _kept) = pipe().unwrap();
        let (_reads, mut full) = pipe().unwrap();
        full.write_all(&[1; 65_536]).unwrap();
        let waiting: [Box<dyn FnOnce() -> io::Result<u64> + Send>; 3] = [
            Box::new({
                let (mut from, mut to) = (empty.try_clone().unwrap(), pipe().unwrap().1);
                move || copy(&mut from, &mut to)
            }),
            Box::new({
                let (mut from, mut to) = (source(&[2; 9]), full.try_clone().unwrap());
                move || copy(&mut from, &mut to)
            }),
            Box::new({
                let (mut from, mut to) = (empty.try_clone().unwrap(), File::create(&to.0).unwrap());
                move || copy(&mut from, &mut to)
            }),
        ];
        for copying in waiting {
            let copying = spawn(copying);
            until_copying();
            copying.cancel();
            let error = copying.join().unwrap().unwrap_err();
            assert!(error.get_ref().is_some_and(|source| source.is::<Cancelled>()), "{error:?}");
        }
        let mut from = empty.try_clone().unwrap();
        let late = timeout(std::time::Duration::from_millis(5), || copy(&mut from, &mut full));
        assert_eq!(late.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

/// On a thread it is a plain copy.
#[test]
fn on_a_thread() {
    let (from, to) = (Scratch::new("thread-from"), Scratch::new("thread-to"));
    let data = pattern(200_000);
    std::fs::write(&from.0, &data).unwrap();
    let mut reader = File::from(std::fs::File::open(&from.0).unwrap());
    let mut writer = File::from(std::fs::File::create(&to.0).unwrap());
    assert_eq!(copy(&mut reader, &mut writer).unwrap(), 200_000);
    assert!(std::fs::read(&to.0).unwrap() == data);
}
