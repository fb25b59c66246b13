//! Which driver is asked for.

use std::fmt;
use std::str::FromStr;

/// By which interface of the kernel a runtime waits for the outside world.
///
/// ```
/// use fiber::runtime::DriverKind;
///
/// assert_eq!("io_uring".parse(), Ok(DriverKind::IoUring));
/// assert_eq!(DriverKind::default().to_string(), "auto");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverKind {
    /// io_uring; where it is missing, too old or forbidden, or where the user may lock too little memory for its rings, epoll. A lack of
    /// descriptors is an error.
    #[default]
    Auto,
    /// io_uring (Linux 5.11 or later); an error where it is missing or forbidden.
    IoUring,
    /// epoll, which every Linux has and every sandbox permits. Files are read and written on the blocking pool.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DriverKind::Auto => "auto",
            DriverKind::IoUring => "io_uring",
            DriverKind::Epoll => "epoll",
        })
    }
}

impl FromStr for DriverKind {
    type Err = ParseDriverError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(DriverKind::Auto),
            "io_uring" => Ok(DriverKind::IoUring),
            "epoll" => Ok(DriverKind::Epoll),
            _ => Err(ParseDriverError(())),
        }
    }
}

/// No driver has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDriverError(());

impl fmt::Display for ParseDriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected `auto`, `io_uring` or `epoll`")
    }
}

impl std::error::Error for ParseDriverError {}
