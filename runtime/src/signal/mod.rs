//! Signals: waiting for those that come to the process.
//!
//! [`ctrl_c`] waits for an interrupt from the terminal; [`Signals`] is a stream of the signals of your choice. Waiting suspends the fiber;
//! on an ordinary thread it blocks the thread.
//!
//! ```no_run
//! use fiber::signal::{Signal, Signals};
//!
//! #[fiber::main]
//! fn main() -> std::io::Result<()> {
//!     let signals = Signals::new([Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT])?;
//!     for signal in signals {
//!         match signal {
//!             Signal::SIGHUP => println!("reading the configuration again"),
//!             _ => break,
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Beside other users of signals
//!
//! Handlers are installed through the crate `signal-hook-registry`, which Tokio and `signal-hook` use too: every one of them is told of
//! a signal, and so is a handler that was there before. The handler only marks the signal and writes to a descriptor; whoever waits
//! is woken by that, and runs as ordinary code.
//!
//! From the first time on that a signal is watched, what the system would do with it by default (end the process, mostly) is not
//! done any more, also when nobody watches it any longer.
//!
//! # Which signals
//!
//! `SIGKILL` and `SIGSTOP` have no handlers. `SIGSEGV`, `SIGILL` and `SIGFPE` are about the very instruction that caused them, and
//! cannot be waited for. `SIGQUIT` may be [the runtime's](crate::runtime::Builder::dump_on_sigquit) at the same time.
//!
//! # Cancellation
//!
//! A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after that. It
//! has taken no signal then.

// The room turns signals into something to wait for. It owns what is registered. It calls `sched::io`, and `sys::signal`, whose handler
// is the only code that runs in one.
#![deny(unsafe_code)]

mod event;
mod name;
mod signals;

#[cfg(test)]
mod tests;

pub use name::Signal;
pub use signals::{Signals, ctrl_c};
