//! A process under a test's eyes.

use crate::wait::LIMIT;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A child process whose output is collected and which does not outlive this value.
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    complaints: Receiver<String>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status.
    pub status: ExitStatus,
    /// The lines of standard output that nobody had taken before.
    pub lines: Vec<String>,
    /// All of standard error.
    pub complaints: String,
}

impl Process {
    /// Starts `command`, which messages will call `name`, with pipes for its standard streams.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.map(BufReader::new).into_iter().flat_map(BufRead::lines) {
                let Ok(line) = line else { break };
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        let (complained, complaints) = channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.read_to_end(&mut text);
            }
            let _ = complained.send(String::from_utf8_lossy(&text).into_owned());
        });
        Process { name: name.to_owned(), child, lines, complaints }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line of its standard output; `what` says what the line means.
    ///
    /// # Panics
    ///
    /// If the process ends instead, or the limit passes: with its standard error.
    pub fn line(&mut self, what: &str) -> String {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => self.give_up(&format!("{what}, but it ended")),
            Err(RecvTimeoutError::Timeout) => self.give_up(&format!("{what} for {} s", LIMIT.as_secs())),
        }
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    ///
    /// If it does not take it.
    pub fn say(&mut self, text: &[u8]) {
        let said = self.child.stdin.as_mut().map(|stdin| stdin.write_all(text).and_then(|()| stdin.flush()));
        if !matches!(said, Some(Ok(()))) {
            self.give_up(&format!("it to take its input ({said:?})"));
        }
    }

    /// Ends its standard input.
    pub fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If the limit passes.
    pub fn finish(mut self) -> Outcome {
        self.hang_up();
        let start = Instant::now();
        let mut lines = Vec::new();
        // The pipe ends with the process, so this waits for both.
        loop {
            match self.lines.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.give_up(&format!("its end for {} s (it said {lines:?})", LIMIT.as_secs()))
                }
            }
        }
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(1)),
                other => self.give_up(&format!("its end after it closed its output ({other:?})")),
            }
        };
        Outcome { status, lines, complaints: self.complaints() }
    }

    /// Kills it at once (`SIGKILL`), and waits until it is gone. Returns its standard error.
    pub fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.complaints()
    }

    /// Its standard error, once it has ended.
    fn complaints(&mut self) -> String {
        // The pipe stays open if the process left children behind: then its words are not worth a long wait.
        self.complaints.recv_timeout(Duration::from_secs(5)).unwrap_or_default()
    }

    /// Panics with everything that is known about the process.
    pub fn give_up(&mut self, awaited: &str) -> ! {
        let status = self.child.try_wait();
        let complaints = self.kill();
        panic!("waited for {}: {awaited}; status {status:?}, standard error:\n{complaints}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let complaints = self.kill();
        if std::thread::panicking() && !complaints.is_empty() {
            eprintln!("standard error of {}:\n{complaints}", self.name);
        }
    }
}
