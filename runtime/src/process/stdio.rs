//! The ends of the pipes to a child process.

use crate::fs::File;
use crate::io::end::{end, reads, writes};
use std::process;

/// Where a child process reads its standard input from: [`std::process::ChildStdin`], whose waits suspend the fiber.
///
/// As [`PipeWriter`](crate::io::PipeWriter) in all else. Dropping it is the end of the child's input. Writing to a child and reading
/// from it one after the other can make both wait for each other, once the pipes are full: do one of them on a fiber of its own.
///
/// ```
/// use fiber::process::{Command, Stdio};
/// use std::io::{Read, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin = child.stdin.take().expect("it is piped");
/// let feeder = fiber::spawn(move || stdin.write_all(&[b'x'; 1_000_000]));
/// let mut back = String::new();
/// child.stdout.take().expect("it is piped").read_to_string(&mut back)?;
/// assert_eq!(back.len(), 1_000_000);
/// feeder.join().unwrap()?;
/// assert!(child.wait()?.success());
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct ChildStdin(File);

/// The standard output of a child process: [`std::process::ChildStdout`], whose waits suspend the fiber.
///
/// As [`PipeReader`](crate::io::PipeReader) in all else. It ends when the child, and every process that inherited the output from it,
/// has closed it.
///
/// ```
/// use fiber::process::{Command, Stdio};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// // A pipeline: printf 'b\na\n' | sort
/// let mut first = Command::new("printf").arg("b\\na\\n").stdout(Stdio::piped()).spawn()?;
/// let output = Command::new("sort").stdin(first.stdout.take().expect("it is piped")).output()?;
/// assert_eq!(output.stdout, b"a\nb\n");
/// assert!(first.wait()?.success());
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct ChildStdout(File);

/// The standard error of a child process: [`std::process::ChildStderr`], whose waits suspend the fiber.
///
/// As [`ChildStdout`] in all else.
pub struct ChildStderr(File);

end!(ChildStdin, process::ChildStdin);
end!(ChildStdout, process::ChildStdout);
end!(ChildStderr, process::ChildStderr);
writes! {
    /// Writes all of the data, waiting while the pipe is full. Suspends the fiber.
    ChildStdin
}
writes! {
    /// As for `ChildStdin`.
    &ChildStdin
}
reads! {
    /// Reads what is there, or waits for something. Zero is the end. Suspends the fiber.
    ChildStdout
}
reads! {
    /// Reads what is there, or waits for something. Zero is the end. Suspends the fiber.
    ChildStderr
}
