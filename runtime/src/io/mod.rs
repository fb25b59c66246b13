//! Pipes, the standard streams, and std's readers, writers and traits, under std's names.
//!
//! Where [`std::io`] blocks its thread, a call of this module made on a fiber suspends that fiber, and the worker runs others
//! meanwhile. Made on an ordinary thread, it blocks the thread, as std's. Porting a program is replacing `std::io` by `fiber::io`: the
//! traits, the buffers and the adaptors here are std's own, because they only call the reader or writer that they are given.
//!
//! ```
//! use fiber::io::{self, BufRead, BufReader, Write};
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> io::Result<()> {
//! let (reader, mut writer) = io::pipe()?;
//! let lines = fiber::spawn(move || BufReader::new(reader).lines().collect::<io::Result<Vec<_>>>());
//! writer.write_all(b"one\ntwo\n")?;
//! drop(writer);
//! assert_eq!(lines.join().unwrap()?, ["one", "two"]);
//! # Ok(())
//! # }).unwrap();
//! ```

// The room turns descriptors that are no sockets and no files of the user's into streams. It owns pipes and the
// buffers of the standard streams. It calls `fs`, whose `File` does the transfers of pipes, `sync`, `task`, `sched::io`, and names
// `driver::Operation`. `unsafe` is confined to `stdio::raw` (memory lent to the kernel) and std's unsafe trait for descriptors.
#![deny(unsafe_code)]

mod copy;
pub(crate) mod end;
mod pipe;
mod readiness;
mod stdio;

#[cfg(test)]
mod tests;

pub use copy::copy;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use readiness::{readable, readable_event, writable, writable_event};
pub use std::io::{
    BufRead, BufReader, BufWriter, Bytes, Chain, Cursor, Empty, Error, ErrorKind, IntoInnerError, IoSlice, IoSliceMut,
    LineWriter, Lines, Read, Repeat, Result, Seek, SeekFrom, Sink, Split, Take, Write, WriterPanicked, empty, prelude,
    read_to_string, repeat, sink,
};
pub(crate) use stdio::end_of_process;
pub use stdio::{
    _eprint, _print, IsTerminal, Stderr, StderrLock, Stdin, StdinLock, Stdout, StdoutLock, stderr, stdin, stdout,
};
