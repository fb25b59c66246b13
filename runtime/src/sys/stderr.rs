//! Standard error, for what the runtime has to say.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a message, if anybody listens: `eprintln!` would panic on a closed pipe, and a message is said in places that must
/// not unwind.
pub(crate) fn say(message: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(message);
}
