//! Copying from a reader to a writer.

mod end;
mod kernel;

use crate::sched::io::on_fiber;
use std::io::{self, ErrorKind, Read, Write};

/// How much is read at once where the kernel does not copy: what a pipe holds.
const BUFFER: usize = 64 << 10;

/// Copies from `reader` to `writer` until the reader ends. As [`std::io::copy`]; suspends the fiber while either waits.
///
/// On a fiber the kernel copies, without a way through the program's memory, where both ends are of this crate, are given as they are (and
/// not in a `BufReader` or the like), and are of these kinds:
///
/// | from | to | how |
/// | --- | --- | --- |
/// | pipe ([`PipeReader`](super::PipeReader), [`ChildStdout`](crate::process::ChildStdout), ...) | pipe | `splice`, when both are ready |
/// | connection ([`UnixStream`](crate::net::UnixStream)) | pipe | `splice`, when both are ready |
/// | connection ([`TcpStream`](crate::net::TcpStream)) | pipe | `splice`, by io_uring |
/// | pipe | file | `splice`, by io_uring |
/// | file | pipe | `splice`, by io_uring |
/// | file | file | `copy_file_range`, on the blocking pool |
/// | file of more than 64 KiB | connection | `splice`, by io_uring, as [`send_file`](crate::net::TcpStream::send_file) |
///
/// Everything else goes through a buffer of 64 KiB: also from a pipe to a connection, which is quicker that way. The limits that
/// [`set_read_timeout`](crate::net::TcpStream::set_read_timeout) and its like set hold for each wait, whoever copies.
///
/// # Errors
///
/// The first of the reader or the writer but [`Interrupted`](ErrorKind::Interrupted); that of a cancellation or of a time limit around
/// the call. What was copied before is not told. What was read and not written is lost, if it went through a buffer; if the kernel copied,
/// what the writer has not got is still in the reader.
///
/// # Examples
///
/// ```
/// use fiber::io;
/// use fiber::process::{Command, Stdio};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> io::Result<()> {
/// let mut from = Command::new("echo").arg("through the kernel").stdout(Stdio::piped()).spawn()?;
/// let mut to = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (mut stdout, mut stdin) = (from.stdout.take().expect("piped"), to.stdin.take().expect("piped"));
/// assert_eq!(io::copy(&mut stdout, &mut stdin)?, 19);
/// drop(stdin);
/// assert_eq!(to.wait_with_output()?.stdout, b"through the kernel\n");
/// # from.wait()?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn copy<R: ?Sized + Read, W: ?Sized + Write>(reader: &mut R, writer: &mut W) -> io::Result<u64> {
    if on_fiber()
        && let (Some(from), Some(to)) = (end::of(reader), end::of(writer))
        && let Some(route) = kernel::route(&from, &to)
        && let Some(copied) = route.copy(&from, &to)?
    {
        return Ok(copied);
    }
    through_buffer(reader, writer)
}

fn through_buffer<R: ?Sized + Read, W: ?Sized + Write>(reader: &mut R, writer: &mut W) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(n) => {
                writer.write_all(&buffer[..n])?;
                copied += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}
