//! Starting this very binary as one of the programs under test, and looking at how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Names the program that a child is to be.
pub(crate) const PROGRAM: &str = "FIBER_TEST_PROGRAM";

/// After this long a program has hung.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that runs.
pub(crate) struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    err: Option<JoinHandle<Vec<String>>>,
    out: Option<JoinHandle<String>>,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    name: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, environment: &[(&str, &str)]) -> Ended {
    start(program, environment).end()
}

/// Starts a program.
pub(crate) fn start(program: &str, environment: &[(&str, &str)]) -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // Whoever runs the tests on a driver means the programs too.
    let ours = |name: &str| name.starts_with("FIBER_") && name != "FIBER_DRIVER";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env(PROGRAM, program).env("RUST_BACKTRACE", "0").envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Whoever runs the tests in the background of a shell passes on an ignored SIGQUIT.
    // SAFETY: signal(2) may be called between fork and exec (signal-safety(7)).
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGQUIT, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let (sender, lines) = channel();
    let err = BufReader::new(child.stderr.take().unwrap());
    let err = std::thread::spawn(move || {
        let seen = err.split(b'\n').map(|line| String::from_utf8_lossy(&line.unwrap()).into_owned());
        seen.inspect(|line| drop(sender.send(line.clone()))).collect()
    });
    let mut out = child.stdout.take().unwrap();
    let out = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    Running { name: program.to_owned(), child, lines, err: Some(err), out: Some(out) }
}

impl Running {
    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: takes integers; the child was not waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
    }

    /// Waits for a line of standard error that contains this, and returns it.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => (),
                Err(_) => {
                    let _ = self.child.kill();
                    let err = self.err.take().unwrap().join().unwrap();
                    panic!("{} did not say {text:?}; it said:\n{}", self.name, err.join("\n"));
                }
            }
        }
    }

    /// Writes a line to the program's standard input.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for the program to end.
    pub(crate) fn end(mut self) -> Ended {
        let begin = Instant::now();
        let mut killed = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > LIMIT {
                killed = true;
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let err = self.err.take().unwrap().join().unwrap().join("\n");
        let out = self.out.take().unwrap().join().unwrap();
        let ended = Ended { name: self.name.clone(), status, out, err };
        assert!(!killed, "{} hung and was killed; it said:\n{}\n{}", ended.name, ended.out, ended.err);
        ended
    }
}

impl Ended {
    /// Checks how it has ended.
    pub(crate) fn with_code(self, code: i32) -> Ended {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Checks which signal has ended it.
    pub(crate) fn by_signal(self, signal: i32) -> Ended {
        assert_eq!(self.status.signal(), Some(signal), "{self}");
        self
    }

    /// Checks that it said each of these on standard error.
    pub(crate) fn saying(self, texts: &[&str]) -> Ended {
        for text in texts {
            assert!(self.err.contains(text), "no {text:?} in what was said\n{self}");
        }
        self
    }

    /// Checks that it said none of these on standard error.
    pub(crate) fn not_saying(self, texts: &[&str]) -> Ended {
        for text in texts {
            assert!(!self.err.contains(text), "{text:?} in what was said\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\nstandard output:\n{}\nstandard error:\n{}", self.name, self.status, self.out, self.err)
    }
}
