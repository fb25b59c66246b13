//! What a process holds, as `/proc` tells it.

use std::fmt;
use std::fs;
use std::io;

/// What a process held at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Resident memory in KiB (`VmRSS`).
    pub resident: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Looks at process `id`.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc/<id>`: the process has ended, or belongs to somebody else.
    pub fn of(id: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            // A process that has ended but was not waited for has no memory any more.
            number.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("process {id} has no {name}")))
        };
        Ok(Usage {
            descriptors: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
            resident: field("VmRSS")?,
            threads: field("Threads")?,
        })
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { descriptors, resident, threads } = self;
        write!(f, "{descriptors} descriptors, {resident} KiB resident, {threads} threads")
    }
}
