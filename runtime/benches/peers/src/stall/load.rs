//! The load: one thread, many connections, messages at a steady rate.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

pub(crate) const CONNECTIONS: usize = 64;
/// Messages in a second, over all connections.
pub(crate) const RATE: u32 = 8000;
/// Bytes of a message. The first four say for how many nanoseconds to compute.
pub(crate) const SIZE: usize = 64;
/// The shortest computation and the longest; their logarithms are evenly distributed.
const STALLS: (f64, f64) = (100e3, 10e6);
/// After the last message was due, those that are under way are awaited for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is sent when.
pub(crate) struct Plan {
    time: Duration,
    /// The share of messages that compute.
    share: f64,
}

impl Plan {
    /// Computations take so many hundredths of a processor.
    pub(crate) fn new(percent: u32, time: Duration) -> Plan {
        let mean = (STALLS.1 - STALLS.0) / (STALLS.1 / STALLS.0).ln();
        Plan { time, share: f64::from(percent) / 100.0 * 1e9 / mean / f64::from(RATE) }
    }
}

/// What became of the messages that compute nothing, in milliseconds, and how many of all were answered in a second.
pub(crate) struct Latencies {
    pub(crate) answered: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Latencies {
    pub(crate) fn line(&self) -> String {
        format!("{} {} {} {}", self.answered, self.median, self.p99, self.p999)
    }

    pub(crate) fn of_line(line: &str) -> Option<Latencies> {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
        let mut next = || numbers.next();
        Some(Latencies { answered: next()?, median: next()?, p99: next()?, p999: next()? })
    }
}

struct Connection {
    stream: TcpStream,
    /// Messages under way: when each was due, and whether it computes.
    sent: VecDeque<(Duration, bool)>,
    /// Bytes that could not be sent yet, and bytes of an answer that is not complete.
    unsent: Vec<u8>,
    received: usize,
}

/// xorshift64* (S. Vigna, ACM TOMS 42, 2016).
struct Random(u64);

impl Random {
    /// From zero to one.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub(crate) fn run(port: u16, plan: &Plan) -> Latencies {
    let connect = |_| {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Connection { stream, sent: VecDeque::new(), unsent: Vec::new(), received: 0 }
    };
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(connect).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut latencies, mut answered) = (Vec::new(), 0u64);
    let begin = Instant::now();
    let messages = (plan.time.as_secs_f64() * f64::from(RATE)) as u32;
    let due = |message: u32| Duration::from_secs(1) * message / RATE;
    let mut message = 0;
    loop {
        let now = begin.elapsed();
        while message < messages && due(message) <= now {
            let stalls = random.next() < plan.share;
            let time = STALLS.0 * (STALLS.1 / STALLS.0).powf(random.next());
            let mut bytes = [0; SIZE];
            bytes[..4].copy_from_slice(&(if stalls { time as u32 } else { 0 }).to_le_bytes());
            let connection = &mut connections[message as usize % CONNECTIONS];
            connection.sent.push_back((due(message), stalls));
            connection.unsent.extend(bytes);
            connection.send();
            message += 1;
        }
        if message == messages && connections.iter().all(|connection| connection.sent.is_empty()) {
            break;
        }
        if now > plan.time + PATIENCE {
            break;
        }
        let next = if message < messages { due(message).saturating_sub(begin.elapsed()) } else { PATIENCE };
        wait(&connections, next);
        for connection in &mut connections {
            connection.send();
            connection.receive(|due, stalls| {
                answered += 1;
                if !stalls {
                    latencies.push((begin.elapsed() - due).as_secs_f64() * 1e3);
                }
            });
        }
    }
    let took = begin.elapsed().as_secs_f64();
    // Who was not answered has waited until now at least.
    for (due, _) in connections.iter().flat_map(|connection| &connection.sent).filter(|(_, stalls)| !stalls) {
        latencies.push((begin.elapsed() - *due).as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    let quantile = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Latencies { answered: answered as f64 / took, median: quantile(0.5), p99: quantile(0.99), p999: quantile(0.999) }
}

/// Waits until a connection has something, or so long.
fn wait(connections: &[Connection], time: Duration) {
    let mut polls: Vec<libc::pollfd> = connections
        .iter()
        .map(|connection| libc::pollfd {
            fd: connection.stream.as_raw_fd(),
            events: if connection.unsent.is_empty() { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT },
            revents: 0,
        })
        .collect();
    let time = libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    // SAFETY: the array and the time live for the call; there is no mask of signals.
    unsafe { libc::ppoll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, &raw const time, std::ptr::null()) };
}

impl Connection {
    fn send(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server went away: {error}"),
            }
        }
    }

    fn receive(&mut self, mut answered: impl FnMut(Duration, bool)) {
        let mut buffer = [0; 16 * SIZE];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the server hung up"),
                Ok(received) => self.received += received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server went away: {error}"),
            }
            while self.received >= SIZE {
                self.received -= SIZE;
                let (due, stalls) = self.sent.pop_front().expect("answers come to messages");
                answered(due, stalls);
            }
        }
    }
}
