//! What a fiber does and a thread does not: wait beside its siblings, be cancelled, run out of time.

use crate::on_fibers::{cancelled, is_cancelled, on_one_worker, until_waiting};
use crate::os::unix::process::{ChildExt, CommandExt, ExitStatusExt};
use crate::process::{Child, Command, Stdio};
use crate::runtime::{Handle, Reason};
use crate::sync::Semaphore;
use crate::time::{after, timeout};
use crate::{select, spawn, sys};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

/// Whether there is a process of this number, ended or not.
fn exists(id: u32) -> bool {
    sys::process::kill(id, 0).is_ok()
}

#[test]
fn every_wait_leaves_the_worker_to_others_and_can_be_cancelled() {
    on_one_worker(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let error = cancelled(Reason::Exit, move || {
            let error = child.wait().unwrap_err();
            assert!(is_cancelled(&error), "{error:?}");
            // Not on a thread of its own either: the child is as it was.
            assert!(child.try_wait().unwrap().is_none());
            Err::<(), _>(error)
        });
        assert!(is_cancelled(&error), "{error:?}");
        let mut stdout = crate::io::PipeReader::from(std::os::fd::OwnedFd::from(stdout));
        let mut twin = stdout.try_clone().unwrap();
        let error = cancelled(Reason::PipeRead, move || twin.read(&mut [0; 8]));
        assert!(is_cancelled(&error), "{error:?}");
        stdin.write_all(b"fine").unwrap();
        let mut text = [0; 4];
        stdout.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"fine");
    });
}

/// With a descriptor of the process and without, on a fiber and on a thread.
#[test]
fn the_end_is_an_arm_of_select() {
    let body = || {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let early = select! {
            status = child.wait() => Some(status),
            default => None,
        };
        assert!(early.is_none(), "{early:?}");
        let late = select! {
            status = &mut child => Some(status),
            () = after(Duration::from_millis(2)) => None,
        };
        assert!(late.is_none(), "{late:?}");
        let mut stdin = child.stdin.take().expect("an arm leaves it open");
        stdin.write_all(b"").unwrap();
        let ending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            drop(stdin);
        });
        for _ in 0..2 {
            // Also when it is known already.
            select! {
                status = child.wait() => assert!(status.unwrap().success()),
                () = after(Duration::from_secs(60)) => panic!("it never ends"),
            }
        }
        ending.join().unwrap();
        assert!(child.wait().unwrap().success());
    };
    on_one_worker(body);
    body();
}

#[test]
fn a_wait_that_timed_out_can_be_waited_again() {
    on_one_worker(|| {
        let mut child = sleeper().spawn().unwrap();
        let late = timeout(Duration::from_millis(5), || child.wait()).unwrap().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        child.send_signal(libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    });
}

/// The collecting of both outputs ends with its fiber, and so does the fiber that it has for one of them.
#[test]
fn collecting_output_can_be_cancelled() {
    on_one_worker(|| {
        for script in ["exec sleep 1000", "exec >&-; exec sleep 1000", "exec 2>&-; exec sleep 1000"] {
            let late = timeout(Duration::from_millis(50), || {
                let output = Command::new("sh").args(["-c", script]).process_group(0).kill_on_drop(true).output();
                output.map(drop).map_err(|error| error.kind())
            });
            assert!(matches!(late, Err(_) | Ok(Err(ErrorKind::TimedOut))), "{late:?}");
        }
        let fibers = Handle::try_current().unwrap().dump().fibers().len();
        assert_eq!(fibers, 1, "nobody is left behind");
    });
}

#[test]
fn a_dropped_child_runs_on_unless_it_is_to_be_killed() {
    on_one_worker(|| {
        let child = sleeper().spawn().unwrap();
        let id = child.id();
        drop(child);
        assert!(exists(id));
        sys::process::kill(id, libc::SIGKILL).unwrap();
        // SAFETY: no memory is passed; the process is a child that nobody else waits for.
        assert_eq!(unsafe { libc::waitpid(id.cast_signed(), std::ptr::null_mut(), 0) }, id.cast_signed());

        let child = sleeper().kill_on_drop(true).spawn().unwrap();
        let id = child.id();
        assert!(exists(id));
        drop(child);
        assert!(!exists(id), "it was killed and waited for");
    });
}

/// Others may signal a child that is waited for, and may still when it has ended and its status is there.
#[test]
fn signals_beside_a_wait() {
    let body = || {
        let mut child = Command::new("sh").args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().unwrap();
        crate::scope(|scope| {
            let ended = [scope.spawn(|| child.ended()), scope.spawn(|| child.ended())];
            child.send_process_group_signal(libc::SIGKILL).unwrap();
            ended.into_iter().for_each(|ended| ended.join().unwrap().unwrap());
        });
        child.ended().unwrap();
        child.send_signal(libc::SIGTERM).unwrap();
        assert!(child.send_signal(1000).is_err());
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        child.ended().unwrap();
        child.send_signal(1000).unwrap();
    };
    on_one_worker(body);
    without_descriptors(|| on_one_worker(body));
}

#[test]
fn the_end_is_awaited_on_threads_too() {
    // Not SIGINT, which whoever runs the tests in the background of a shell has ignored.
    let mut child = sleeper().spawn().unwrap();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| child.ended());
        child.send_signal(libc::SIGTERM).unwrap();
        ended.join().unwrap().unwrap();
    });
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}

/// Whatever ends the fiber takes the process with it: a cancellation, a panic, a time limit.
#[test]
fn children_that_are_killed_with_their_fiber() {
    on_one_worker(|| {
        let (told, ids) = crate::sync::mpsc::channel();
        let hold = |end: fn(&mut Child)| {
            let told = told.clone();
            spawn(move || {
                let mut child = sleeper().kill_on_drop(true).spawn().unwrap();
                told.send(child.id()).unwrap();
                end(&mut child);
            })
        };
        let waiting = hold(|child| drop(child.wait().unwrap_err()));
        let waited = ids.recv().unwrap();
        until_waiting(Reason::Exit);
        waiting.cancel();
        waiting.join().unwrap();
        assert!(!exists(waited));

        let parked = hold(|_| crate::park());
        let waited = ids.recv().unwrap();
        parked.cancel();
        assert!(parked.join().unwrap_err().is_cancelled());
        assert!(!exists(waited));

        let panicking = hold(|_| std::panic::resume_unwind(Box::new("on purpose")));
        let waited = ids.recv().unwrap();
        assert!(panicking.join().is_err());
        assert!(!exists(waited));
    });
}

/// Several fibers wait for children of theirs, and one worker serves them all.
#[test]
fn many_children_at_once() {
    let ids = on_one_worker(|| {
        let at_once = Semaphore::new(100);
        crate::scope(|scope| {
            let fibers: Vec<_> = (0..300u32)
                .map(|number| {
                    let at_once = &at_once;
                    scope.spawn(move || {
                        let _permit = at_once.acquire();
                        let mut child =
                            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                        let text = format!("number {number}");
                        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
                        let mut back = String::new();
                        child.stdout.take().unwrap().read_to_string(&mut back).unwrap();
                        assert_eq!(back, text);
                        assert!(child.wait().unwrap().success());
                        child.id()
                    })
                })
                .collect();
            fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect::<Vec<_>>()
        })
    });
    assert_eq!(ids.len(), 300);
}

/// Calls `f` while the system gives no descriptors of processes.
fn without_descriptors(f: impl FnOnce()) {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    sys::process::NO_DESCRIPTORS.store(true, SeqCst);
    f();
    sys::process::NO_DESCRIPTORS.store(false, SeqCst);
}

/// Then the end of a process is asked for.
#[test]
fn ends_without_descriptors() {
    let body = || {
        let mut child = Command::new("sh").args(["-c", "read line; exit 9"]).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let waiting = spawn(move || child.wait());
        until_waiting(Reason::Exit);
        drop(stdin);
        assert_eq!(waiting.join().unwrap().unwrap().code(), Some(9));
        let error = cancelled(Reason::Exit, || sleeper().kill_on_drop(true).status());
        assert!(is_cancelled(&error), "{error:?}");
    };
    without_descriptors(|| on_one_worker(body));
}

#[test]
fn a_pipe_in_non_blocking_mode_does_not_wait() {
    on_one_worker(|| {
        let (reader, _writer) = io::pipe().unwrap();
        // SAFETY: no memory is passed.
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&reader.as_fd()), libc::F_SETFL, libc::O_NONBLOCK) };
        let mut reader = crate::io::PipeReader::from(reader);
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// A closure before the program runs: in the child, of a thread of the pool.
#[test]
fn a_closure_in_the_child() {
    on_one_worker(|| {
        let mut command = Command::new("sh");
        // SAFETY: the closure calls one function, which signal handlers may call.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o27);
                Ok(())
            })
        };
        assert_eq!(command.args(["-c", "umask"]).output().unwrap().stdout, b"0027\n");
        // SAFETY: the closure makes an error of a number.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EDOM))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EDOM));
    });
}
