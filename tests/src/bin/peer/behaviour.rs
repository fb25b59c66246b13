//! What a client may do, well-behaved or not, in three stages: it opens, it acts, it ends.

use crate::Common;
use crate::connection::Connection;
use crate::failure::Failure;
use clap::ValueEnum;

/// What a client sends first and wants back, so that "open" means "served".
const GREETING: u64 = 16;

/// What surely fits into the kernel's buffers with nobody reading at the other end.
const FITS: u64 = 32 * 1024;

/// The kinds of behaviour that a mode of the program is about.
#[derive(Clone, Copy, PartialEq, Debug, ValueEnum)]
pub(crate) enum Family {
    Flood,
    HalfClose,
    Reset,
    Stall,
}

/// What one client does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Behaviour {
    /// Sends and receives everything, then shuts down and wants the end of the stream.
    Echo,
    /// Sends a little and shuts down, and only after that begins to read.
    HalfCloseBeforeReading,
    /// Reads and sends at once, and shuts down as soon as everything is sent.
    HalfCloseWhileReading,
    /// Shuts down without having sent a byte.
    HalfCloseEmpty,
    /// Resets as soon as it is connected: perhaps before it is accepted.
    ResetAtOnce,
    /// Sends, and resets without having read.
    ResetUnread,
    /// Resets while the server waits for more from it.
    ResetIdle,
    /// Resets while the server waits for it to read.
    ResetStuck,
    /// Sends without reading until nothing goes any more; at the end reads everything after all.
    DeafThenReads,
    /// Sends without reading until nothing goes any more; at the end goes away.
    DeafThenLeaves,
    /// Sends nothing; at the end speaks after all.
    SilentThenSpeaks,
    /// Sends nothing; at the end goes away.
    SilentThenLeaves,
}

use Behaviour::*;

impl Family {
    /// All of them, to be given out in turn.
    fn behaviours(self) -> &'static [Behaviour] {
        match self {
            Family::Flood => &[Echo],
            Family::HalfClose => &[HalfCloseBeforeReading, HalfCloseWhileReading, HalfCloseEmpty],
            Family::Reset => &[ResetAtOnce, ResetUnread, ResetIdle, ResetStuck],
            Family::Stall => &[DeafThenReads, DeafThenLeaves, SilentThenSpeaks, SilentThenLeaves],
        }
    }
}

/// Reads `family=parts`.
pub(crate) fn parse_share(text: &str) -> Result<(Family, usize), String> {
    let (name, parts) = text.split_once('=').ok_or("write it as name=parts")?;
    let parts = parts.parse().map_err(|error| format!("{parts}: {error}"))?;
    Ok((Family::from_str(name, false)?, parts))
}

/// The behaviour of connection `index` where families have their shares.
pub(crate) fn choose(mix: &[(Family, usize)], index: usize) -> Behaviour {
    let parts = mix.iter().map(|share| share.1).sum::<usize>().max(1);
    let (turn, mut part) = (index / parts, index % parts);
    for &(family, share) in mix {
        if part < share {
            let behaviours = family.behaviours();
            return behaviours[(turn * share + part) % behaviours.len()];
        }
        part -= share;
    }
    Echo
}

impl Behaviour {
    /// The name of the count in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Echo => "echoed",
            HalfCloseBeforeReading => "half_closed_before_reading",
            HalfCloseWhileReading => "half_closed_while_reading",
            HalfCloseEmpty => "half_closed_empty",
            ResetAtOnce => "reset_at_once",
            ResetUnread => "reset_unread",
            ResetIdle => "reset_idle",
            ResetStuck => "reset_stuck",
            DeafThenReads => "deaf_then_read",
            DeafThenLeaves => "deaf_then_left",
            SilentThenSpeaks => "silent_then_spoke",
            SilentThenLeaves => "silent_then_left",
        }
    }

    /// Connects; clients that speak at all have a greeting echoed.
    pub(crate) async fn open(self, common: &Common, index: usize) -> Result<Option<Connection>, Failure> {
        let reads = !matches!(self, ResetStuck | DeafThenReads | DeafThenLeaves);
        let mut connection = Connection::open(common, index, reads).await?;
        match self {
            HalfCloseEmpty | SilentThenSpeaks | SilentThenLeaves => {}
            ResetAtOnce => {
                connection.reset()?;
                return Ok(None);
            }
            _ => connection.exchange(GREETING.min(common.bytes)).await?,
        }
        Ok(Some(connection))
    }

    /// Does what this behaviour is about.
    pub(crate) async fn act(self, connection: &mut Connection, bytes: u64) -> Result<(), Failure> {
        match self {
            Echo | ResetIdle => connection.exchange(bytes).await,
            HalfCloseBeforeReading => {
                connection.send(bytes.min(FITS)).await?;
                connection.shut_down().await
            }
            HalfCloseWhileReading => connection.exchange_and_shut_down(bytes).await,
            HalfCloseEmpty => connection.shut_down().await,
            ResetUnread => connection.send(bytes.min(FITS)).await,
            ResetStuck | DeafThenReads | DeafThenLeaves => connection.stuff().await,
            ResetAtOnce | SilentThenSpeaks | SilentThenLeaves => Ok(()),
        }
    }

    /// Ends the connection in its own way. Returns the bytes that went and came.
    pub(crate) async fn end(self, mut connection: Connection, bytes: u64) -> Result<(u64, u64), Failure> {
        match self {
            HalfCloseBeforeReading | HalfCloseWhileReading | HalfCloseEmpty => {}
            Echo => connection.shut_down().await?,
            SilentThenSpeaks => {
                connection.exchange(bytes).await?;
                connection.shut_down().await?;
            }
            DeafThenReads => {
                let sent = connection.sent;
                connection.exchange(sent).await?;
                connection.shut_down().await?;
            }
            ResetAtOnce | ResetUnread | ResetIdle | ResetStuck => {
                let counts = (connection.sent, connection.received);
                connection.reset()?;
                return Ok(counts);
            }
            DeafThenLeaves | SilentThenLeaves => return Ok((connection.sent, connection.received)),
        }
        connection.receive_to_end().await?;
        Ok((connection.sent, connection.received))
    }
}
