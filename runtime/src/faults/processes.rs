//! Children and signals.

use super::survives;
use crate::conformance::pattern;
use crate::process::{Command, Stdio};
use crate::signal::{Signal, Signals};
use std::io::{self, Read};
use std::time::Duration;

#[test]
fn a_child_that_is_talked_to() {
    survives(module_path!(), "a_child_that_is_talked_to", |notes| {
        let data = pattern(150_000);
        let mut child =
            notes.again(|| Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn());
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        crate::scope(|scope| {
            let data = &data;
            scope.spawn(move || notes.put(&mut stdin, data));
            assert!(notes.take(&mut stdout, 150_001) == *data);
        });
        assert!(notes.again(|| child.wait()).success());
        assert!(notes.again(|| child.wait()).success());
    });
}

#[test]
fn a_child_whose_output_is_collected() {
    survives(module_path!(), "a_child_whose_output_is_collected", |notes| {
        let output = notes.again(|| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo out; echo err >&2; exit 3"]).kill_on_drop(true).output()
        });
        assert_eq!((&*output.stdout, &*output.stderr, output.status.code()), (&b"out\n"[..], &b"err\n"[..], Some(3)));
    });
}

/// A child that is waited for with a time limit, and then killed with its fiber.
#[test]
fn a_child_that_takes_too_long() {
    survives(module_path!(), "a_child_that_takes_too_long", |notes| {
        let mut child = notes.again(|| Command::new("sleep").arg("1000").kill_on_drop(true).spawn());
        match crate::time::timeout(Duration::from_millis(2), || child.wait()) {
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => (),
            Ok(Err(error)) => notes.note(error),
            Err(_) => (),
            Ok(Ok(status)) => panic!("it has ended: {status}"),
        }
        drop(child);
    });
}

#[test]
fn signals() {
    survives(module_path!(), "signals", |notes| {
        let signals = notes.again(|| Signals::new([Signal::SIGUSR1]));
        let (mut reader, writer) = notes.again(crate::io::pipe);
        crate::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(notes.again(|| signals.recv()), Signal::SIGUSR1);
                drop(writer);
            });
            crate::yield_now();
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
            assert_eq!(notes.transfer(|| reader.read(&mut [0; 8])), 0);
        });
    });
}
