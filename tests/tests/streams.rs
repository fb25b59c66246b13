//! Standard input and output of a program on fibers: a pipe, a file, a terminal, nothing at all.

use fiber_tests::process::Process;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn program(mode: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streams"));
    command.arg(mode);
    command
}

/// A file that is removed with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fiber-streams-{name}-{}", std::process::id()));
        fs::write(&path, content).expect("a temporary file");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn through_pipes() {
    let mut streams = Process::start("streams", &mut program("upper"));
    assert_eq!(streams.line("that the worker is free"), "others run");
    for line in ["one", "two", "", "längere zeile"] {
        streams.say(format!("{line}\n").as_bytes());
        assert_eq!(streams.line("the line"), line.to_uppercase());
    }
    streams.say(b"without end");
    let outcome = streams.finish();
    assert!(outcome.status.success(), "{}", outcome.complaints);
    assert_eq!(outcome.lines, ["WITHOUT END", "5 lines"]);
}

#[test]
fn a_wait_that_was_given_up_loses_nothing() {
    let mut streams = Process::start("streams", &mut program("timeout"));
    assert_eq!(streams.line("that it gave up"), "gave up");
    streams.say(b"a line\n");
    assert_eq!(streams.line("the line"), "then read a line");
    assert!(streams.finish().status.success());
}

#[test]
fn lines_are_not_mixed() {
    let outcome = Process::start("streams", &mut program("many")).finish();
    assert!(outcome.status.success(), "{}", outcome.complaints);
    assert_eq!(outcome.lines.len(), 50 * 20 * 2);
    for pair in outcome.lines.chunks(2) {
        let (head, padding) = pair[0].rsplit_once(' ').expect("three words");
        assert!(padding.len() == 1000 && pair[1] == format!("{head} again"), "{pair:?}");
    }
}

/// Files are read and written where others left off, and others go on where we did.
#[test]
fn through_files() {
    let input = Scratch::new("in", "one\ntwo\nthree\n");
    let output = Scratch::new("out", "");
    let mut from = File::open(&input.0).unwrap();
    from.seek(io::SeekFrom::Start(4)).unwrap();
    let mut to = File::create(&output.0).unwrap();
    to.write_all(b"before\n").unwrap();
    let status = program("upper").stdin(from.try_clone().unwrap()).stdout(to.try_clone().unwrap()).status().unwrap();
    assert!(status.success());
    to.write_all(b" after\n").unwrap();
    assert_eq!(fs::read_to_string(&output.0).unwrap(), "before\nTWO\nTHREE\n2 lines after\n");
    assert_eq!(from.stream_position().unwrap(), 14);
}

/// Two processes write to one open file, each at the end of what the other wrote.
#[test]
fn a_file_shared_with_another_process() {
    let output = Scratch::new("shared", "");
    let to = OpenOptions::new().write(true).open(&output.0).unwrap();
    let start = || program("many").stdout(to.try_clone().unwrap()).spawn().unwrap();
    let both = [start(), start()];
    for mut child in both {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(&output.0).unwrap();
    assert_eq!(text.lines().filter(|line| line.ends_with(" again")).count(), 2 * 50 * 20);
    assert_eq!(text.lines().filter(|line| line.ends_with("xxx")).count(), 2 * 50 * 20);
}

#[test]
fn on_a_terminal() {
    let ours = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&ours).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let before = fcntl_getfl(&theirs).unwrap();
    let mut child = program("upper")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut ours = File::from(ours);
    let mut shown = BufReader::new(ours.try_clone().unwrap());
    let mut expect = |line: &str| {
        let mut read = String::new();
        shown.read_line(&mut read).unwrap();
        assert_eq!(read, line);
    };
    expect("others run\r\n");
    // What is typed is shown by the terminal, and then answered.
    ours.write_all(b"hello\n").unwrap();
    expect("hello\r\n");
    expect("HELLO\r\n");
    // Ctrl-D.
    ours.write_all(&[4]).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fcntl_getfl(&theirs).unwrap(), before, "the mode of the terminal is the shell's too");
    let mut rest = [0; 7];
    shown.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"1 lines");
}

/// Another process has put the pipe into non-blocking mode.
#[test]
fn a_pipe_that_does_not_wait_is_waited_for() {
    let (reader, mut writer) = io::pipe().unwrap();
    let (mut output, theirs) = io::pipe().unwrap();
    let reader = OwnedFd::from(reader);
    fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    fcntl_setfl(&theirs, OFlags::NONBLOCK).unwrap();
    let mut command = program("upper");
    let mut child = command.stdin(reader.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
    drop(command);
    let mut said = BufReader::new(&mut output);
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "others run\n");
    assert!(fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
    let feeder = std::thread::spawn(move || writer.write_all("much\n".repeat(20_000).as_bytes()));
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    feeder.join().unwrap().unwrap();
    assert!(text == "MUCH\n".repeat(20_000) + "20000 lines");
    assert!(child.wait().unwrap().success());
}

#[test]
fn nobody_listens_any_more() {
    let mut child = program("flood").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100_000];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "BrokenPipe after something\n");
}

#[test]
fn a_program_that_exits_in_the_middle_of_a_line() {
    let output = program("exit").output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"half a line"[..]));
}

/// A closed stream is at its end, and takes everything.
#[test]
fn closed_streams() {
    let script = format!("exec {} upper <&- >&-", env!("CARGO_BIN_EXE_streams"));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
