//! The processes that are measured.

use crate::machine;
use crate::peers::Peer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Whoever is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Fiber,
    Peer(Peer),
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Fiber => "fiber",
            Subject::Peer(peer) => peer.name(),
        }
    }
}

/// What a run gave: the value under its unit's name, and what else was seen.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A process that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the programs are.
pub(crate) struct Programs {
    fiber_bench: PathBuf,
    itself: PathBuf,
}

impl Programs {
    /// Builds `fiber-bench` as it stands.
    pub(crate) fn build() -> Result<Programs, Box<dyn Error + Send + Sync>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).args(["build", "--release", "--bin", "fiber-bench", "--message-format", "json"]);
        let output = cargo.stderr(Stdio::inherit()).output()?;
        let messages = output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let built =
            messages.filter_map(|message: Value| Some(PathBuf::from(message["executable"].as_str()?))).next_back();
        let fiber_bench = built.filter(|_| output.status.success()).ok_or("fiber-bench does not build")?;
        Ok(Programs { fiber_bench, itself: std::env::current_exe()? })
    }

    fn command(&self, subject: Subject, workers: usize, arguments: &[String]) -> Command {
        let mut command = match subject {
            Subject::Fiber => Command::new(&self.fiber_bench),
            Subject::Peer(peer) => {
                let mut command = Command::new(&self.itself);
                let name = clap::ValueEnum::to_possible_value(&peer).expect("every peer has a name");
                command.arg("peer").arg(name.get_name());
                command
            }
        };
        command.arg("--workers").arg(workers.to_string()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a measurement on so many processors; what it says, or why there is nothing.
    pub(crate) fn run(&self, subject: Subject, workers: usize, arguments: &[String]) -> Result<Figures, String> {
        let mut command = self.command(subject, workers, arguments);
        let processors = machine::processors();
        // The last ones: interrupts tend to land on the first. The child inherits the set.
        machine::stay_on(&processors[processors.len().saturating_sub(workers)..]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        machine::stay_on(&processors);
        let mut child = child.map_err(|error| error.to_string())?;
        let status = wait(&mut child).map_err(|error| error.to_string())?;
        let Some(status) = status else { return Err(format!("over {} s", PATIENCE.as_secs())) };
        match status.code() {
            Some(0) => {}
            Some(3) => return Err("-".to_owned()),
            _ => return Err("fails".to_owned()),
        }
        let output =
            child.stdout.take().map(io::read_to_string).expect("it was piped").map_err(|error| error.to_string())?;
        figures(&output).ok_or_else(|| format!("no result: {output}"))
    }

    /// Starts a server on the last processor.
    pub(crate) fn serve(&self, subject: Subject, http: bool, port: u16) -> io::Result<Server> {
        let bench = if http { "http-server" } else { "echo-server" };
        let mut command = self.command(subject, 1, &[bench.to_owned(), port.to_string()]);
        let processors = machine::processors();
        machine::stay_on(&processors[processors.len() - 1..]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        machine::stay_on(&processors);
        let mut server = Server { child: child?, port };
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if server.child.try_wait()?.is_some() || begin.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("the server does not listen"));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(2));
    }
}

fn figures(line: &str) -> Option<Figures> {
    let parsed: Value = serde_json::from_str(line.trim()).ok()?;
    let mut figures: Figures =
        parsed["extra"].as_object()?.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
    figures.insert(parsed["unit"].as_str()?.to_owned(), parsed["value"].as_f64()?);
    Some(figures)
}

/// A server that is up, until dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Seconds of processor time that it has used.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let mut clock = 0;
        // SAFETY: the clock is written to during the call. The child was not waited for, so the number is still its own.
        let failed = unsafe { libc::clock_getcpuclockid(self.child.id().cast_signed(), &raw mut clock) };
        assert_eq!(failed, 0, "{}", io::Error::from_raw_os_error(failed));
        machine::read(clock) as f64 / 1e9
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
