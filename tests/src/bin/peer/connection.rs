//! One connection to the server, and how far it has come.

use crate::Common;
use crate::failure::Failure;
use crate::pattern::{Pattern, Random};
use std::cell::RefCell;
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// The most that is read at once.
const READ: usize = 64 * 1024;

/// How long the server has to take nothing before we call it stuck. Too short would only stop the sending early.
const QUIET: Duration = Duration::from_millis(300);

/// What a server may take from a client that never reads. The kernel's buffers hold less than this on both
/// sides together (six megabytes to receive and four to send are the usual limits); the rest would be in the server.
const BOTTOM: u64 = 32 << 20;

/// The kernel's buffers of a client that is not going to read, in bytes. The server's end sizes its own by the segment
/// size, which on loopback would be 64 KiB and make them megabytes: such a client asks for Ethernet's as well.
const SMALL: u32 = 16 * 1024;

thread_local! {
    /// Where bytes are made, read and compared. One for all connections: nobody keeps it across an `await`.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; READ], vec![0; READ]));
}

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    pattern: Pattern,
    random: Random,
    /// The largest piece to send at once.
    chunk: usize,
    /// Bytes sent so far.
    pub(crate) sent: u64,
    /// Bytes that came back so far, each compared.
    pub(crate) received: u64,
}

impl Connection {
    /// Connects, as connection number `index`. One that is not going to read gets small kernel buffers, so that it is
    /// stuck soon.
    pub(crate) async fn open(common: &Common, index: usize, reads: bool) -> Result<Self, Failure> {
        let socket = if common.addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(Failure::io("making a socket"))?;
        if !reads {
            socket.set_recv_buffer_size(SMALL).map_err(Failure::io("setting the receive buffer"))?;
            socket.set_send_buffer_size(SMALL).map_err(Failure::io("setting the send buffer"))?;
            socket2::SockRef::from(&socket).set_tcp_mss(1460).map_err(Failure::io("setting TCP_MAXSEG"))?;
        }
        let stream = socket.connect(common.addr).await.map_err(Failure::io("connecting"))?;
        // While nobody listens on a port, a client may be given that very port, and connect to itself.
        if stream.local_addr().ok() == Some(common.addr) {
            let error = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Err(Failure::Io { doing: "connecting (to itself)", error });
        }
        stream.set_nodelay(true).map_err(Failure::io("setting TCP_NODELAY"))?;
        Ok(Connection {
            stream,
            pattern: Pattern::new(common.seed, index),
            random: Random::new(common.seed, index),
            chunk: common.chunk.clamp(1, READ),
            sent: 0,
            received: 0,
        })
    }

    /// Sends until `until` bytes are sent and receives until as many have come back, both at once.
    pub(crate) async fn exchange(&mut self, until: u64) -> Result<(), Failure> {
        let Connection { stream, pattern, random, chunk, sent, received } = self;
        tokio::try_join!(
            send(stream, pattern, random, *chunk, sent, until),
            receive(stream, pattern, received, until)
        )?;
        Ok(())
    }

    /// Sends until `until` bytes are sent, and reads nothing.
    pub(crate) async fn send(&mut self, until: u64) -> Result<(), Failure> {
        let Connection { stream, pattern, random, chunk, sent, .. } = self;
        send(stream, pattern, random, *chunk, sent, until).await
    }

    /// Sends until the server takes no more, and reads nothing.
    pub(crate) async fn stuff(&mut self) -> Result<(), Failure> {
        while self.sent < BOTTOM {
            let until = self.sent + self.chunk as u64;
            match tokio::time::timeout(QUIET, self.send(until)).await {
                Ok(result) => result?,
                Err(_) => return Ok(()),
            }
        }
        Err(Failure::Bottomless { taken: self.sent })
    }

    /// Shuts down the sending side.
    pub(crate) async fn shut_down(&mut self) -> Result<(), Failure> {
        self.stream.shutdown().await.map_err(Failure::io("shutting down"))
    }

    /// Shuts down the sending side, once `until` bytes are sent, and receives as many meanwhile.
    pub(crate) async fn exchange_and_shut_down(&mut self, until: u64) -> Result<(), Failure> {
        let Connection { stream, pattern, random, chunk, sent, received } = self;
        let (reader, mut writer) = stream.split();
        let sending = async {
            send(writer.as_ref(), pattern, random, *chunk, sent, until).await?;
            writer.shutdown().await.map_err(Failure::io("shutting down"))
        };
        tokio::try_join!(sending, receive(reader.as_ref(), pattern, received, until))?;
        Ok(())
    }

    /// Receives what is owed, then the end of the stream, and nothing more.
    pub(crate) async fn receive_to_end(&mut self) -> Result<(), Failure> {
        receive(&self.stream, &self.pattern, &mut self.received, self.sent).await?;
        loop {
            self.stream.readable().await.map_err(Failure::io("waiting for the end"))?;
            match self.stream.try_read(&mut [0]) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(Failure::Excess { after: self.sent }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    return Err(Failure::Io { doing: "receiving the end", error });
                }
            }
        }
    }

    /// Ends the connection with a reset instead of an orderly close.
    pub(crate) fn reset(self) -> Result<(), Failure> {
        self.stream.set_zero_linger().map_err(Failure::io("setting SO_LINGER"))
    }
}

/// Sends the pattern in pieces of random size.
async fn send(
    stream: &TcpStream,
    pattern: &Pattern,
    random: &mut Random,
    chunk: usize,
    sent: &mut u64,
    until: u64,
) -> Result<(), Failure> {
    while *sent < until {
        let size = (random.size(chunk) as u64).min(until - *sent) as usize;
        stream.writable().await.map_err(Failure::io("waiting to send"))?;
        let result = SCRATCH.with_borrow_mut(|(made, _)| {
            pattern.fill(*sent, &mut made[..size]);
            stream.try_write(&made[..size])
        });
        match result {
            Ok(count) => *sent += count as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                return Err(Failure::Io { doing: "sending", error });
            }
        }
        // Sometimes the next piece goes at once, sometimes everybody else has a turn first.
        if random.next().is_multiple_of(2) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Receives and compares until `until` bytes have come.
async fn receive(stream: &TcpStream, pattern: &Pattern, received: &mut u64, until: u64) -> Result<(), Failure> {
    while *received < until {
        stream.readable().await.map_err(Failure::io("waiting to receive"))?;
        let offset = *received;
        let count = SCRATCH.with_borrow_mut(|(expected, came)| {
            let count = match stream.try_read(came) {
                Ok(0) => {
                    return Err(Failure::Ended { owed: until - offset });
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) => {
                    return Err(Failure::Io { doing: "receiving", error });
                }
            };
            pattern.fill(offset, &mut expected[..count]);
            // What is wrong before the excess is wrong in any case.
            let changed = expected[..count].iter().zip(&came[..count]).position(|(expected, came)| expected != came);
            match changed.filter(|&place| offset + (place as u64) < until) {
                Some(place) => {
                    let (sent, came) = (expected[place], came[place]);
                    Err(Failure::Changed { offset: offset + place as u64, sent, came })
                }
                None if offset + count as u64 > until => Err(Failure::Excess { after: until }),
                None => Ok(count),
            }
        })?;
        *received += count as u64;
    }
    Ok(())
}
