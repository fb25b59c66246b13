//! Starting processes, talking to them, and how they end.

use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern, until_broken};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::thread;

conformance! { process:
    fn output_of_a_command(process) -> (Option<i32>, Vec<u8>, Vec<u8>) {
        let output = process::Command::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]).output().unwrap();
        (output.status.code(), output.stdout, output.stderr)
    }

    fn the_environment(process) -> Vec<u8> {
        let mut command = process::Command::new("/bin/sh");
        command.env_clear().env("ONE", "1").envs([("TWO", "2"), ("THREE", "3")]).env_remove("THREE").current_dir("/");
        command.arg("-c").args(["echo $ONE $TWO $THREE $0 $1; pwd", "zero", "one"]);
        command.output().unwrap().stdout
    }

    fn what_can_be_asked(process) -> (String, Vec<String>, BTreeMap<String, Option<String>>, Option<String>, String) {
        let mut command = process::Command::new("program");
        command.args(["a", "b c"]).env("KEY", "value").env_remove("GONE").current_dir("/tmp");
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        (
            text(command.get_program()),
            command.get_args().map(text).collect(),
            command.get_envs().map(|(key, value)| (text(key), value.map(text))).collect(),
            command.get_current_dir().map(|path| text(path.as_os_str())),
            format!("{command:?}"),
        )
    }

    fn what_does_not_start(process) -> Vec<Result<(), Failure>> {
        let mut away = process::Command::new("true");
        away.current_dir("/nowhere");
        vec![
            outcome(process::Command::new("no such program").spawn().map(drop)),
            outcome(process::Command::new("/").spawn().map(drop)),
            outcome(process::Command::new("/etc/passwd").output().map(drop)),
            outcome(process::Command::new("zero\0inside").status().map(drop)),
            outcome(away.status().map(drop)),
        ]
    }

    fn ends_of_all_kinds(process) -> Vec<(Option<i32>, Option<i32>, bool)> {
        let scripts = ["exit 0", "exit 255", "kill -TERM $$", "kill -KILL $$"];
        let ends = scripts.map(|script| process::Command::new("sh").args(["-c", script]).status().unwrap());
        ends.iter().map(|status| (status.code(), status.signal(), status.success())).collect()
    }

    fn waiting_closes_the_input_and_repeats_itself(process) -> (bool, bool, bool, bool, Result<(), Failure>) {
        let mut child = process::Command::new("cat").stdin(process::Stdio::piped()).spawn().unwrap();
        let (before, open) = (child.try_wait().unwrap().is_none(), child.stdin.is_some());
        let status = child.wait().unwrap();
        let again = child.wait().unwrap() == status && child.try_wait().unwrap() == Some(status);
        (before && open, child.stdin.is_none(), status.success(), again, outcome(child.kill()))
    }

    fn killing(process) -> (Option<i32>, Result<(), Failure>) {
        let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        (status.signal(), outcome(child.kill()))
    }

    fn talking_to_a_child(process) -> (Vec<String>, Vec<u8>, Result<usize, Failure>) {
        let mut child = process::Command::new("cat")
            .stdin(process::Stdio::piped())
            .stdout(process::Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut lines = Vec::new();
        for line in ["one\n", "two\n", "\n"] {
            stdin.write_all(line.as_bytes()).unwrap();
            stdin.flush().unwrap();
            let mut back = String::new();
            stdout.read_line(&mut back).unwrap();
            lines.push(back);
        }
        let parts = [io::IoSlice::new(b"gath"), io::IoSlice::new(b""), io::IoSlice::new(b"ered")];
        assert_eq!((&stdin).write_vectored(&parts).unwrap(), 8);
        drop(stdin);
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        let end = outcome(stdout.get_mut().read(&mut [0; 9]));
        child.wait().unwrap();
        (lines, rest, end)
    }

    fn writing_to_one_that_has_gone(process) -> Result<usize, Failure> {
        let mut child = process::Command::new("true").stdin(process::Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().unwrap();
        until_broken(&mut stdin)
    }

    fn much_on_both_outputs(process) -> (usize, usize, bool) {
        let script = "head -c 300000 /dev/zero >&2; head -c 400000 /dev/zero; head -c 300000 /dev/zero >&2";
        let output = process::Command::new("sh").args(["-c", script]).output().unwrap();
        (output.stdout.len(), output.stderr.len(), output.status.success())
    }

    fn output_that_is_given_is_not_collected(process) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let mut command = process::Command::new("sh");
        command.args(["-c", "cat; echo out; echo err >&2"]).stderr(process::Stdio::null());
        let first = command.output().unwrap();
        // The same command again, with another input.
        let mut feeder = process::Command::new("echo").arg("fed").stdout(process::Stdio::piped()).spawn().unwrap();
        let second = command.stdin(feeder.stdout.take().unwrap()).output().unwrap();
        feeder.wait().unwrap();
        (first.stdout, first.stderr, second.stdout)
    }

    fn a_pipeline(process) -> (Vec<u8>, bool) {
        let data = pattern(1 << 20);
        let piped = process::Stdio::piped;
        let mut first = process::Command::new("cat").stdin(piped()).stdout(piped()).spawn().unwrap();
        let mut second = process::Command::new("dd")
            .args(["bs=7777", "status=none"])
            .stdin(first.stdout.take().unwrap())
            .stdout(piped())
            .spawn()
            .unwrap();
        let sum = process::Command::new("cksum").stdin(second.stdout.take().unwrap()).stdout(piped()).spawn().unwrap();
        let mut stdin = first.stdin.take().unwrap();
        let feeder = thread::spawn(move || stdin.write_all(&data));
        let output = sum.wait_with_output().unwrap();
        feeder.join().unwrap().unwrap();
        let fine = first.wait().unwrap().success() && second.wait().unwrap().success();
        (output.stdout, fine && output.status.success())
    }

    fn descriptors(process) -> (Vec<u8>, bool) {
        let mut child = process::Command::new("echo").arg("hello").stdout(process::Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let same = stdout.as_fd().as_raw_fd() == stdout.as_raw_fd();
        let mut stdout = process::ChildStdout::from(OwnedFd::from(stdout));
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).unwrap();
        child.wait().unwrap();
        let number = stdout.as_raw_fd();
        let leaked = stdout.into_raw_fd();
        // SAFETY: the descriptor was just given up, and nobody else has it.
        drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(leaked) });
        (all, same && number == leaked)
    }
}

/// What std started can be waited for here.
#[test]
fn a_child_of_stds() {
    let mut theirs = std::process::Command::new("cat");
    let theirs = theirs.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let child = super::super::Child::from(theirs);
    on_fiber(move || {
        let mut stdin = child.stdin.as_ref().unwrap();
        stdin.write_all(b"text").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"text");
        assert!(output.status.success());
    });
}
