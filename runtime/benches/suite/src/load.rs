//! The load on a server: connections in one thread around epoll, each with some requests under way.

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// Longer latencies count as this.
const MINUTE_NS: u64 = 60_000_000_000;

pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests under way on each connection.
    pub(crate) depth: usize,
    pub(crate) request: Vec<u8>,
    /// Bytes of an answer.
    pub(crate) answer: usize,
    /// How long, after the connections were made.
    pub(crate) time: Duration,
}

/// What came of it.
pub(crate) struct Answers {
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// In nanoseconds.
    pub(crate) latencies: Histogram<u64>,
}

struct Connection {
    stream: TcpStream,
    /// When the requests under way were sent, the oldest first.
    sent: VecDeque<Instant>,
    /// Bytes that have come of the oldest one's answer.
    partly: usize,
}

impl Load {
    /// Puts it on the server at this port. `warm` is called when each connection has had its first answers: from then on it counts.
    pub(crate) fn put_on(&self, port: u16, mut warm: impl FnMut()) -> io::Result<Answers> {
        let mut poll = Poll::new()?;
        let mut connections = Vec::with_capacity(self.connections);
        for index in 0..self.connections {
            // Blocking, so that a listener's queue is not overrun.
            let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            connections.push(Connection { stream, sent: VecDeque::new(), partly: 0 });
        }
        let requests = self.request.repeat(self.depth);
        for connection in &mut connections {
            self.send(connection, self.depth, &requests, Instant::now())?;
        }
        let mut answers = Answers {
            count: 0,
            seconds: 0.0,
            latencies: Histogram::new_with_bounds(1, MINUTE_NS, 3).expect("these bounds are allowed"),
        };
        let mut warming = self.connections * self.depth;
        let mut begin = Instant::now();
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            poll.poll(&mut events, Some(Duration::from_secs(10)))?;
            if events.is_empty() {
                return Err(io::Error::other("the server does not answer"));
            }
            let now = Instant::now();
            for event in &events {
                let connection = &mut connections[event.token().0];
                let got = self.receive(connection, &mut buffer, now, |latency| {
                    if warming == 0 {
                        answers.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                    }
                })?;
                if warming > 0 {
                    warming = warming.saturating_sub(got);
                    if warming == 0 {
                        warm();
                        begin = Instant::now();
                    }
                } else {
                    answers.count += got as u64;
                }
                self.send(connection, got, &requests, now)?;
            }
            if warming == 0 && now.saturating_duration_since(begin) > self.time {
                answers.seconds = begin.elapsed().as_secs_f64();
                return Ok(answers);
            }
        }
    }

    /// So many more requests. They fit into the socket's buffer: there are never more than `depth` under way.
    fn send(&self, connection: &mut Connection, count: usize, requests: &[u8], now: Instant) -> io::Result<()> {
        if count > 0 {
            connection.stream.write_all(&requests[..count * self.request.len()])?;
            connection.sent.extend(std::iter::repeat_n(now, count));
        }
        Ok(())
    }

    /// How many answers came to their end.
    fn receive(
        &self,
        connection: &mut Connection,
        buffer: &mut [u8],
        now: Instant,
        mut each: impl FnMut(Duration),
    ) -> io::Result<usize> {
        let mut got = 0;
        loop {
            match connection.stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server ended a connection")),
                Ok(count) => {
                    connection.partly += count;
                    while connection.partly >= self.answer {
                        connection.partly -= self.answer;
                        got += 1;
                        each(
                            now.saturating_duration_since(
                                connection.sent.pop_front().expect("an answer has a request"),
                            ),
                        );
                    }
                    if count < buffer.len() {
                        return Ok(got);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(got),
                Err(error) => return Err(error),
            }
        }
    }
}
