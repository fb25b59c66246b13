//! Drivers where the kernel refuses a call.

use super::super::{Driver, DriverConfig, DriverError, DriverKind};
use super::LIMIT;
use crate::driver::epoll::Epoll;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Makes a driver on a thread for which a seccomp filter answers one system call with an error, as container runtimes do.
pub(in crate::driver) fn sandboxed(
    kind: DriverKind,
    call: libc::c_long,
    errno: i32,
) -> Result<&'static str, DriverError> {
    let filter = [
        // Load the number of the call, the first field of `struct seccomp_data`.
        libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf: 1, k: call as u32 },
        libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | errno as u32 },
        libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ];
    thread::spawn(move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the program and its instructions outlive the call, which copies them. The filter binds this thread only.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            let set = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
            assert_eq!(set, 0, "{}", io::Error::last_os_error());
        }
        Driver::new(&DriverConfig { kind, ..DriverConfig::default() }).map(|driver| driver.name())
    })
    .join()
    .unwrap()
}

#[test]
fn where_io_uring_is_refused_there_is_epoll() {
    for (call, errno, name) in [
        (libc::SYS_io_uring_setup, libc::ENOSYS, "epoll (io_uring is missing)"),
        (libc::SYS_io_uring_setup, libc::EPERM, "epoll (io_uring is forbidden)"),
        (libc::SYS_io_uring_setup, libc::EACCES, "epoll (io_uring is forbidden)"),
        (libc::SYS_io_uring_enter, libc::EPERM, "epoll (io_uring is forbidden)"),
    ] {
        assert_eq!(sandboxed(DriverKind::Auto, call, errno).unwrap(), name);
        assert_eq!(sandboxed(DriverKind::Epoll, call, errno).unwrap(), "epoll");
        assert!(sandboxed(DriverKind::IoUring, call, errno).is_err());
    }
}

#[test]
fn a_lack_of_resources_is_an_error() {
    let message = sandboxed(DriverKind::Auto, libc::SYS_io_uring_setup, libc::EMFILE).unwrap_err().to_string();
    assert!(message.contains("ulimit -n"), "{message}");
    let message = sandboxed(DriverKind::Epoll, libc::SYS_epoll_create1, libc::EMFILE).unwrap_err().to_string();
    assert!(message.contains("for epoll_create1") && message.contains("ulimit -n"), "{message}");
    let message = sandboxed(DriverKind::Epoll, libc::SYS_eventfd2, libc::EMFILE).unwrap_err().to_string();
    assert!(message.contains("for eventfd") && message.contains("ulimit -n"), "{message}");
}

/// Older container runtimes answer `EPERM` to every call that they do not know.
#[test]
fn a_sandbox_that_does_not_know_fine_waits_is_put_up_with() {
    assert_eq!(sandboxed(DriverKind::Epoll, libc::SYS_epoll_pwait2, libc::EPERM).unwrap(), "epoll");
    let mut driver = Epoll::coarse(&DriverConfig::default()).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        driver.park(Some(Duration::from_micros(300)), &mut |_| ());
    }
    assert!(start.elapsed() < LIMIT);
}
