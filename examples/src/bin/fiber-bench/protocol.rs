//! What a server for load generators answers, whatever runtime it runs on.

use crate::report::compute;
use std::io::{self, Read, Write};

/// What a connection asks for.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    /// Nothing: bytes go back as they come.
    Bytes,
    /// Messages of this size begin with the nanoseconds to compute before they go back.
    Stalls(usize),
    /// Requests of HTTP/1.1 without a body, perhaps several at once.
    Http,
}

/// What a request gets, in the form of the plaintext test of TechEmpower's benchmarks.
pub(crate) const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

impl Protocol {
    /// Of an echo server.
    pub(crate) fn from_environment() -> io::Result<Self> {
        if std::env::var_os("STALL").is_none_or(|value| value != "1") {
            return Ok(Protocol::Bytes);
        }
        let size = match std::env::var("STALL_SIZE") {
            Ok(size) => size.parse().map_err(|_| io::Error::other(format!("STALL_SIZE={size} is not a number")))?,
            Err(_) => 64,
        };
        if size < size_of::<u32>() {
            return Err(io::Error::other("STALL_SIZE is at least 4, for the time"));
        }
        Ok(Protocol::Stalls(size))
    }

    /// Takes the messages that are whole off the front of `input` and adds their answers to `output`.
    pub(crate) fn answer(self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> io::Result<()> {
        let mut done = 0;
        match self {
            Protocol::Bytes => done = input.len(),
            Protocol::Stalls(size) => {
                for message in input.chunks_exact(size) {
                    let [a, b, c, d, ..] = *message else { unreachable!("it was checked at the start") };
                    compute(u32::from_le_bytes([a, b, c, d]).into());
                    done += size;
                }
            }
            Protocol::Http => {
                while done < input.len() {
                    let mut headers = [httparse::EMPTY_HEADER; 32];
                    let mut request = httparse::Request::new(&mut headers);
                    let parsed = request.parse(&input[done..]).map_err(|error| io::Error::other(error.to_string()))?;
                    let httparse::Status::Complete(length) = parsed else { break };
                    output.extend_from_slice(HELLO);
                    done += length;
                }
            }
        }
        if !matches!(self, Protocol::Http) {
            output.extend_from_slice(&input[..done]);
        }
        input.drain(..done);
        Ok(())
    }

    /// Serves one connection until its peer has ended it.
    pub(crate) fn converse(self, peer: &mut (impl Read + Write)) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let (mut input, mut output) = (Vec::new(), Vec::new());
        loop {
            let read = match peer.read(&mut buffer)? {
                0 => return Ok(()),
                n => &buffer[..n],
            };
            if let Protocol::Bytes = self {
                peer.write_all(read)?;
            } else {
                input.extend_from_slice(read);
                self.answer(&mut input, &mut output)?;
                peer.write_all(&output)?;
                output.clear();
            }
        }
    }
}
