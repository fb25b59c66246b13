//! Programs where io_uring is forbidden, as container runtimes forbid it: by a seccomp filter that answers its calls with an error.

use fiber_tests::process::{Outcome, Process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A filter that answers these calls with `errno` and permits all others.
fn filter(calls: &[libc::c_long], errno: i32) -> BpfProgram {
    let rules: BTreeMap<_, _> = calls.iter().map(|&call| (call, Vec::new())).collect();
    let denied = SeccompAction::Errno(errno.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().expect("seccompiler knows this processor");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, machine).expect("a filter that makes sense");
    filter.try_into().expect("a filter that the kernel understands")
}

const IO_URING: [libc::c_long; 3] = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Starts a program under a filter; `driver` is what the environment asks for.
fn start(program: &str, filter: BpfProgram, driver: Option<&str>) -> Process {
    let mut command = Command::new(program);
    command.env_remove("FIBER_DRIVER").envs(driver.map(|driver| ("FIBER_DRIVER", driver)));
    // SAFETY: between fork and exec, two system calls are made and nothing is allocated: the filter was made before.
    unsafe { command.pre_exec(move || apply_filter(&filter).map_err(|_| std::io::Error::last_os_error())) };
    Process::start("the program under the filter", &mut command)
}

fn everyday(filter: BpfProgram, driver: Option<&str>) -> Outcome {
    start(env!("CARGO_BIN_EXE_everyday"), filter, driver).finish()
}

fn assert_works(outcome: &Outcome, driver: &str) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.lines, [driver, "done"], "{outcome:?}");
}

#[test]
fn an_everyday_program_works_and_says_how() {
    for (errno, driver) in [
        (libc::EPERM, "epoll (io_uring is forbidden) by epoll"),
        (libc::EACCES, "epoll (io_uring is forbidden) by epoll"),
        (libc::ENOSYS, "epoll (io_uring is missing) by epoll"),
    ] {
        assert_works(&everyday(filter(&IO_URING, errno), None), driver);
    }
}

/// A filter may let a ring be made and not be used.
#[test]
fn each_call_is_missed() {
    let of_one = |call| everyday(filter(&[call], libc::EPERM), None);
    assert_works(&of_one(libc::SYS_io_uring_setup), "epoll (io_uring is forbidden) by epoll");
    assert_works(&of_one(libc::SYS_io_uring_enter), "epoll (io_uring is forbidden) by epoll");
}

/// Filters that name what they permit do not know the calls of younger kernels, and answer them with `EPERM` too.
#[test]
fn a_filter_that_has_not_heard_of_anything_new() {
    let new =
        [&IO_URING[..], &[libc::SYS_epoll_pwait2, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_statx]].concat();
    assert_works(&everyday(filter(&new, libc::EPERM), None), "epoll (io_uring is forbidden) by epoll");
}

#[test]
fn what_the_environment_asks_for_is_done_or_refused() {
    assert_works(&everyday(filter(&IO_URING, libc::EPERM), Some("epoll")), "epoll by epoll");
    assert_works(&everyday(filter(&IO_URING, libc::EPERM), Some("auto")), "epoll (io_uring is forbidden) by epoll");
    let refused = everyday(filter(&IO_URING, libc::EPERM), Some("io_uring"));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    // Where the machine itself forbids io_uring, that is said first.
    assert!(refused.complaints.contains("io_uring_setup") && refused.complaints.contains("forbidden"), "{refused:?}");
}

#[test]
fn a_server_serves() {
    let mut server = start(env!("CARGO_BIN_EXE_echo_server"), filter(&IO_URING, libc::EPERM), None);
    let line = server.line("the line that says where it listens");
    let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?} first"));
    let mut streams: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    for round in 0..20u8 {
        for stream in &mut streams {
            stream.write_all(&[round; 500]).unwrap();
        }
        for stream in &mut streams {
            let mut answer = [0; 500];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 500]);
        }
    }
    assert!(server.is_running());
    server.kill();
}
