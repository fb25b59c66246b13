//! The echo server as a process.

use crate::process::Process;
use crate::usage::Usage;
use crate::wait;
use std::net::SocketAddr;
use std::process::Command;

/// A running echo server.
pub struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Starts `program` (the path of the `echo_server` binary) on `address`, where port 0 means any, with additional
    /// variables in its environment, and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not come to listen.
    pub fn start(program: &str, address: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(["--addr", address]).envs(environment.iter().copied());
        let mut process = Process::start("the echo server", &mut command);
        let line = process.line("the line that says where it listens");
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the echo server said {line:?} first"));
        Server { process, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds now.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn usage(&mut self) -> Usage {
        let usage = Usage::of(self.process.id());
        match usage {
            Ok(usage) if self.process.is_running() => usage,
            other => self.process.give_up(&format!("its usage, but got {other:?}")),
        }
    }

    /// Waits until what it holds satisfies `wanted`, which `what` describes.
    ///
    /// # Panics
    ///
    /// If it ends instead, or the limit passes.
    pub fn usage_until(&mut self, what: &str, wanted: impl Fn(&Usage) -> bool) -> Usage {
        wait::until(what, || {
            let usage = self.usage();
            if wanted(&usage) { Ok(usage) } else { Err(format!("the server has {usage}")) }
        })
    }

    /// Kills it (`SIGKILL`) and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
    }
}
