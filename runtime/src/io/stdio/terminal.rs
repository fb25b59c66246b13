//! Whether somebody sits at the other end.

use std::os::fd::AsFd;

/// Whether a descriptor is a terminal. [`std::io::IsTerminal`], which is for std's types alone, for everything that has a descriptor.
///
/// ```
/// use fiber::io::IsTerminal;
///
/// let file = std::fs::File::open("/dev/null")?;
/// assert!(!IsTerminal::is_terminal(&file));
/// # let _ = fiber::io::stdout().is_terminal();
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait IsTerminal {
    /// Whether it is a terminal. Does not suspend.
    fn is_terminal(&self) -> bool;
}

impl<T: AsFd> IsTerminal for T {
    fn is_terminal(&self) -> bool {
        std::io::IsTerminal::is_terminal(&self.as_fd())
    }
}
