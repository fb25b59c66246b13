//! What can be wrong with a connection.

use std::fmt;
use std::io;

/// Why a connection did not go as it must with an echo server.
pub(crate) enum Failure {
    /// A call failed.
    Io { doing: &'static str, error: io::Error },
    /// A byte came back that was not sent at this place.
    Changed { offset: u64, sent: u8, came: u8 },
    /// The server ended its side while bytes were owed.
    Ended { owed: u64 },
    /// The server sent more than it got.
    Excess { after: u64 },
    /// The server takes more and more without anybody reading its answers.
    Bottomless { taken: u64 },
}

impl Failure {
    /// For `map_err`: the call that failed.
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Failure {
        move |error| Failure::Io { doing, error }
    }

    /// Whether the connection was lost, rather than served wrongly.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Failure::Io { .. } | Failure::Ended { .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io { doing, error } => write!(f, "{doing}: {error}"),
            Failure::Changed { offset, sent, came } => {
                write!(f, "byte {offset} came back as {came:#04x}, sent was {sent:#04x}")
            }
            Failure::Ended { owed } => {
                write!(f, "the server ended its side and still owes {owed} bytes")
            }
            Failure::Excess { after } => {
                write!(f, "the server sent more than the {after} bytes that it got")
            }
            Failure::Bottomless { taken } => {
                write!(f, "the server took {taken} bytes although nobody reads its answers")
            }
        }
    }
}
