//! What a server for load generators answers, whatever runtime it runs on.

use crate::report::compute;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::ops::ControlFlow::{self, Break, Continue};

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

const BODY: &str = "Hello, World!";

/// The answer, with this line more in its head.
macro_rules! hello {
    ($line:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n",
            $line,
            "\r\nHello, World!"
        )
        .as_bytes()
    };
}

/// What a request gets, in the form of the plaintext test of TechEmpower's benchmarks.
pub(crate) const HELLO: &[u8] = hello!("");
/// The same for the last request of a connection.
const HELLO_AND_CLOSE: &[u8] = hello!("Connection: close\r\n");
/// The same for a client of HTTP/1.0 that asked for more.
const HELLO_AND_STAY: &[u8] = hello!("Connection: keep-alive\r\n");

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

    /// Takes the messages that are whole off the front of `input` and adds their answers to `output`. `Break` if the connection ends
    /// when these have gone.
    pub(crate) fn answer(self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> io::Result<ControlFlow<()>> {
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
                    let mut headers = [const { MaybeUninit::uninit() }; 32];
                    let mut request = httparse::Request::new(&mut []);
                    let parsed = request.parse_with_uninit_headers(&input[done..], &mut headers);
                    let parsed = parsed.map_err(|error| io::Error::other(error.to_string()))?;
                    let httparse::Status::Complete(length) = parsed else { break };
                    done += length;
                    // Nearly always, so apart: with an answer whose length the compiler knows.
                    if request.version == Some(1)
                        && request.method != Some("HEAD")
                        && stays(request.headers) != Some(false)
                    {
                        output.extend_from_slice(HELLO);
                        continue;
                    }
                    let (answer, then) = reply(&request);
                    output.extend_from_slice(answer);
                    if then.is_break() {
                        // Nobody answers what comes after it.
                        return Ok(then);
                    }
                }
            }
        }
        if !matches!(self, Protocol::Http) {
            output.extend_from_slice(&input[..done]);
        }
        input.drain(..done);
        Ok(Continue(()))
    }

    /// Serves one connection until its peer has ended it, or asked for its end.
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
                let then = self.answer(&mut input, &mut output)?;
                peer.write_all(&output)?;
                if then.is_break() {
                    return Ok(());
                }
                output.clear();
            }
        }
    }
}

/// What a request gets, and whether the connection ends with it (RFC 9112, section 9.3).
#[inline]
fn reply(request: &httparse::Request) -> (&'static [u8], ControlFlow<()>) {
    // Of HTTP/1.0, where connections end unless the client asks for more.
    let old = request.version == Some(0);
    let (answer, then) = match (stays(request.headers).unwrap_or(!old), old) {
        (true, false) => (HELLO, Continue(())),
        (true, true) => (HELLO_AND_STAY, Continue(())),
        (false, _) => (HELLO_AND_CLOSE, Break(())),
    };
    let body = if request.method == Some("HEAD") { BODY.len() } else { 0 };
    (&answer[..answer.len() - body], then)
}

/// What the client says about whether the connection goes on, if it does. `close` counts wherever it stands.
#[inline]
fn stays(headers: &[httparse::Header]) -> Option<bool> {
    let mut stays = None;
    for header in headers {
        // As most write it, for a few instructions; a server should be measured here, not this.
        if header.name == "Connection" && header.value == b"keep-alive" {
            stays = Some(true);
        } else if header.name.len() == "Connection".len() && header.name.eq_ignore_ascii_case("Connection") {
            match options(header.value) {
                Some(false) => return Some(false),
                other => stays = other.or(stays),
            }
        }
    }
    stays
}

/// The same of one header, a list.
#[inline(never)]
fn options(value: &[u8]) -> Option<bool> {
    let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if options.clone().any(|option| option.eq_ignore_ascii_case(b"close")) {
        return Some(false);
    }
    options.any(|option| option.eq_ignore_ascii_case(b"keep-alive")).then_some(true)
}
