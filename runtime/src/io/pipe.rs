//! Pipes.

use super::end::{end, from_raw, reads, writes};
use crate::fs::File;
use std::io;

/// Makes a pipe: what is written to one end is read from the other. As [`std::io::pipe`]; does not suspend.
///
/// The system holds some data between the ends, 64 KiB unless it is told otherwise, so a writer waits only while that much lies there.
///
/// # Errors
///
/// What the system reports, such as too many open descriptors.
///
/// # Examples
///
/// Both ends in one place, and a child process that writes to two of them:
///
/// ```
/// use fiber::io::{self, Read};
/// use fiber::process::Command;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> io::Result<()> {
/// let (mut reader, writer) = io::pipe()?;
/// let mut child = Command::new("sh")
///     .args(["-c", "echo out; echo err >&2"])
///     .stdout(writer.try_clone()?)
///     .stderr(writer)
///     .spawn()?;
/// let mut both = String::new();
/// reader.read_to_string(&mut both)?;
/// assert_eq!(both, "out\nerr\n");
/// assert!(child.wait()?.success());
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((PipeReader::fresh(reader.into()), PipeWriter::fresh(writer.into())))
}

/// The end of a pipe that is read from: [`std::io::PipeReader`], whose waits suspend the fiber.
///
/// Made by [`pipe`]. The end of the data comes when every writer is closed, those in child processes included. On a descriptor in
/// non-blocking mode, which [`pipe`] does not make, transfers do not wait.
///
/// # Cancellation
///
/// A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after that. It
/// has read nothing then.
pub struct PipeReader(File);

/// The end of a pipe that is written to: [`std::io::PipeWriter`], whose waits suspend the fiber.
///
/// Made by [`pipe`]. As std's, a write takes all of the data, waiting while the pipe is full, unless an error comes when part of
/// it was written; and fails as [`BrokenPipe`](io::ErrorKind::BrokenPipe) once every reader is closed. Flushing does nothing.
///
/// # Cancellation
///
/// As for [`PipeReader`]. If a part was written already, that is reported, and the cancellation is found by the next wait.
pub struct PipeWriter(File);

end!(PipeReader, io::PipeReader);
end!(PipeWriter, io::PipeWriter);
reads! {
    /// Reads what is there, or waits for something. Zero is the end. Suspends the fiber.
    PipeReader
}
reads! {
    /// As for `PipeReader`. If several read from one pipe, each byte goes to one of them.
    &PipeReader
}
writes! {
    /// Writes all of the data, waiting while the pipe is full. Suspends the fiber.
    PipeWriter
}
writes! {
    /// As for `PipeWriter`. What several write at the same time is not mixed if it is short (4096 bytes: `PIPE_BUF`, pipe(7)).
    &PipeWriter
}

from_raw!(PipeReader);
from_raw!(PipeWriter);

impl PipeReader {
    /// Another handle of the same end. As [`std::io::PipeReader::try_clone`].
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn try_clone(&self) -> io::Result<PipeReader> {
        self.0.try_clone().map(PipeReader)
    }
}

impl PipeWriter {
    /// Another handle of the same end: the reader finds the end of the data when both are closed. As
    /// [`std::io::PipeWriter::try_clone`].
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn try_clone(&self) -> io::Result<PipeWriter> {
        self.0.try_clone().map(PipeWriter)
    }
}
