//! Where the system has no more: of descriptors, and of room in the rings.

use crate::driver::{DriverConfig, DriverKind};
use crate::fiber::stack::child::{assert_passed, rerun};
use crate::fs::File;
use crate::io::pipe;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::os::unix::net::UnixStream;
use crate::process::{Command, Stdio};
use crate::runtime::{Builder, Handle, Reason, Runtime, State};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

fn runtimes(config: &DriverConfig) -> impl Iterator<Item = Runtime> {
    let kinds = [DriverKind::IoUring, DriverKind::Epoll];
    let build = |kind, config: &DriverConfig| {
        let mut builder = Builder::new().workers(1).held_limit(None).driver(kind);
        builder.driver_config = config.clone();
        builder.build()
    };
    let config = config.clone();
    // Where io_uring is not to be had, the other alone.
    kinds.into_iter().filter_map(move |kind| build(kind, &config).ok())
}

/// Runs `f` while the process may have no descriptor that it does not have already.
fn without_descriptors<T>(f: impl FnOnce() -> T) -> T {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the limit, during the call.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    // Of the limit counts the number, and lower numbers than the highest may be free: until none is.
    let mut held = Vec::new();
    let lowest_free = loop {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        held.push(file);
        if held.len() > 1 && held[held.len() - 2].as_raw_fd() + 1 == number && held.len() > 100 {
            break number + 1;
        }
    };
    let low = libc::rlimit { rlim_cur: lowest_free as libc::rlim_t, ..limit };
    // SAFETY: the kernel reads the limit, during the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low) }, 0);
    let result = f();
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    result
}

fn has_none<T>(result: io::Result<T>) {
    assert_eq!(result.err().and_then(|error| error.raw_os_error()), Some(libc::EMFILE));
}

/// Waits until so many fibers wait for a pipe.
fn until_all_wait(number: usize) {
    let waiting = || {
        let dump = Handle::try_current().unwrap().dump();
        dump.fibers().iter().filter(|fiber| fiber.state() == State::Waiting(Reason::PipeRead)).count()
    };
    while waiting() < number {
        crate::time::sleep(std::time::Duration::from_millis(1));
    }
}

/// Every call that needs a descriptor says so, and has done nothing: when there is one again, everything goes on from where it was.
#[test]
fn no_descriptors() {
    if let Some(output) = rerun(module_path!(), "no_descriptors") {
        return assert_passed(&output);
    }
    for runtime in runtimes(&DriverConfig::default()) {
        runtime.run(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"still here").unwrap();
            // The pool has its threads.
            assert!(Command::new("true").status().unwrap().success());
            without_descriptors(|| {
                for _ in 0..3 {
                    has_none(File::open("/dev/null"));
                    has_none(crate::fs::read("/proc/self/status"));
                    has_none(crate::fs::read_dir("/").map(drop));
                    has_none(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
                    has_none(TcpStream::connect(address));
                    has_none(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
                    has_none(UnixStream::pair());
                    has_none(pipe());
                    has_none(client.try_clone());
                    has_none(listener.accept());
                    has_none(Command::new("cat").stdin(Stdio::piped()).spawn().map(drop));
                }
                // What needs none works.
                client.write_all(b", and more").unwrap();
                assert!(crate::fs::metadata("/dev/null").is_ok());
                crate::time::sleep(std::time::Duration::from_micros(10));
            });
            let (mut accepted, _) = listener.accept().unwrap();
            let mut text = [0; 20];
            accepted.read_exact(&mut text).unwrap();
            assert_eq!(&text, b"still here, and more");
            assert!(File::open("/dev/null").is_ok());
            assert!(Command::new("true").status().unwrap().success());
        });
    }
}

/// A runtime that cannot be had says what is missing and what to do, leaves nothing behind, and can be had when there is enough.
#[test]
fn no_descriptors_for_a_runtime() {
    if let Some(output) = rerun(module_path!(), "no_descriptors_for_a_runtime") {
        return assert_passed(&output);
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for kind in [DriverKind::IoUring, DriverKind::Epoll, DriverKind::Auto] {
        let build = || Builder::new().workers(2).held_limit(None).driver(kind).build();
        let Ok(runtime) = build() else { continue };
        drop(runtime);
        let before = descriptors();
        let error = without_descriptors(build).expect_err("no descriptors, no runtime").to_string();
        assert!(error.contains("ulimit -n"), "{error}");
        assert_eq!(descriptors(), before);
        build().unwrap().run(|| assert!(File::open("/dev/null").is_ok()));
    }
}

/// A thousand times more operations in flight than the rings have room for, ended all at once: each has its own end, once.
#[test]
fn more_operations_than_the_rings_hold() {
    const MANY: usize = 4000;
    let config = DriverConfig { submission_entries: 1, completion_entries: 2, ..DriverConfig::default() };
    for runtime in runtimes(&config) {
        let sum = runtime.run(|| {
            let (reader, mut writer) = pipe().unwrap();
            crate::scope(|scope| {
                let readers: Vec<_> = (0..MANY)
                    .map(|_| {
                        let mut reader = &reader;
                        scope.spawn(move || {
                            let mut byte = [0];
                            reader.read_exact(&mut byte).unwrap();
                            u64::from(byte[0])
                        })
                    })
                    .collect();
                until_all_wait(MANY);
                let bytes: Vec<u8> = (0..MANY).map(|i| (i % 251) as u8).collect();
                writer.write_all(&bytes).unwrap();
                readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
            })
        });
        assert_eq!(sum, (0..MANY as u64).map(|i| i % 251).sum());
    }
}

/// The same, ended by cancelling: cancels want room in the rings too.
#[test]
fn more_cancellations_than_the_rings_hold() {
    let config = DriverConfig { submission_entries: 1, completion_entries: 2, ..DriverConfig::default() };
    for runtime in runtimes(&config) {
        runtime.run(|| {
            let (reader, mut writer) = pipe().unwrap();
            crate::scope(|scope| {
                let mut readers: Vec<_> = (0..2000)
                    .map(|_| {
                        let mut reader = &reader;
                        scope.spawn(move || reader.read(&mut [0]))
                    })
                    .collect();
                let last = readers.pop().unwrap();
                until_all_wait(2000);
                for reader in &readers {
                    reader.cancel();
                }
                for reader in readers {
                    assert!(crate::on_fibers::is_cancelled(&reader.join().unwrap().unwrap_err()));
                }
                writer.write_all(b"!").unwrap();
                assert_eq!(last.join().unwrap().unwrap(), 1);
            });
        });
    }
}
