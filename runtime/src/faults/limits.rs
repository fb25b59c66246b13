//! Where the system has no more: of descriptors, and of room in the rings.

use crate::driver::{DriverConfig, DriverKind};
use crate::fiber::stack::child::{assert_passed, rerun};
use crate::fs::{File, RegisteredBuffer};
use crate::io::pipe;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use crate::os::unix::net::UnixStream;
use crate::process::{Command, Stdio};
use crate::runtime::{Builder, Handle, Reason, Runtime, State};
use crate::signal::{Signal, Signals};
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
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let (file, (near, mut far)) =
                (File::open(std::env::current_exe().unwrap()).unwrap(), UnixStream::pair().unwrap());
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
                // What would like one, and can do without, works.
                crate::scope(|scope| {
                    scope.spawn(|| far.read_exact(&mut vec![0; 200_000]).unwrap());
                    assert_eq!(near.send_file(&file, 0, 200_000).unwrap(), 200_000);
                });
                drop(child.stdin.take());
                let status = crate::select! {
                    status = child.wait() => status,
                };
                assert!(status.unwrap().success());
                has_none(Signals::new([Signal::SIGUSR1]).map(drop));
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

/// Becomes a user of whom there are no other processes, and who may lock so much memory.
fn become_nobody(locked: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: locked, rlim_max: locked };
    let id = 40_000 + std::process::id() % 20_000;
    // SAFETY: the kernel reads the limit, during the first call; the others pass no memory.
    let done = unsafe {
        [
            libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit),
            libc::setgroups(0, std::ptr::null()),
            libc::setgid(id),
            libc::setuid(id),
        ]
    };
    assert_eq!(done, [0; 4], "{}", io::Error::last_os_error());
}

/// Whether a test of limits can be made, which needs io_uring and the right to become somebody else; says so if not.
fn can_lose_memory() -> bool {
    // SAFETY: no memory is passed.
    let root = unsafe { libc::geteuid() } == 0;
    let chosen = std::env::var_os("FIBER_DRIVER").is_some();
    let possible = root && !chosen && Builder::new().workers(1).driver(DriverKind::IoUring).build().is_ok();
    if !possible {
        eprintln!("skipped: it is not run by root, there is no io_uring, or the environment has chosen the driver");
    }
    possible
}

/// Without memory for any ring it does without io_uring, or says what is missing, as it was asked; unless this kernel does not count rings.
#[test]
fn no_locked_memory() {
    if let Some(output) = rerun(module_path!(), "no_locked_memory") {
        return assert_passed(&output);
    }
    if !can_lose_memory() {
        return;
    }
    become_nobody(0);
    let build = |kind| Builder::new().workers(2).held_limit(None).driver(kind).build();
    let counted = match build(DriverKind::IoUring) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.to_string().contains("ulimit -l"), "{error}");
            true
        }
    };
    let expected = if counted { "epoll (no memory for io_uring)" } else { "io_uring" };
    let runtime = build(DriverKind::Auto).unwrap();
    runtime.run(|| {
        assert!(Handle::try_current().unwrap().dump().to_string().contains(expected));
        let (mut reader, mut writer) = pipe().unwrap();
        crate::scope(|scope| {
            scope.spawn(|| reader.read_exact(&mut [0; 5]).unwrap());
            writer.write_all(b"works").unwrap();
        });
    });
}

/// With memory for small rings it has small ones.
#[test]
fn little_locked_memory() {
    if let Some(output) = rerun(module_path!(), "little_locked_memory") {
        return assert_passed(&output);
    }
    if !can_lose_memory() {
        return;
    }
    become_nobody(64 << 10);
    for kind in [DriverKind::Auto, DriverKind::IoUring] {
        let runtime = Builder::new().workers(2).held_limit(None).driver(kind).build().unwrap();
        assert_eq!(runtime.handle().driver(), DriverKind::IoUring);
        runtime.run(|| {
            // More than may be locked: it is ordinary memory.
            let mut buffer = RegisteredBuffer::new(1 << 20);
            assert!(!buffer.is_registered());
            let file = File::open("/dev/zero").unwrap();
            assert_eq!(file.read_registered_at(&mut buffer, 0..100, 0).unwrap(), 100);
            let (reader, mut writer) = pipe().unwrap();
            crate::scope(|scope| {
                let readers: Vec<_> =
                    (0..1000).map(|_| scope.spawn(|| (&reader).read_exact(&mut [0; 7]).unwrap())).collect();
                until_all_wait(1000);
                writer.write_all(&[1; 7000]).unwrap();
                readers.into_iter().for_each(|reader| reader.join().unwrap());
            });
        });
        drop(runtime);
        // The kernel gives the memory back in its own time.
        std::thread::sleep(std::time::Duration::from_millis(100));
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
