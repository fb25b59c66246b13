//! Printing.

use super::{stderr, stdout};
use crate::sched::Current;
use std::fmt::{self, Arguments};
use std::io::{self, Write};

/// Prints to the standard output: [`std::print!`], whose waits suspend the fiber. See [`io::Stdout`](crate::io::Stdout).
///
/// What tests print with it is not captured by their harness.
///
/// # Panics
///
/// As std's, if it cannot be written.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// fiber::print!("no line end: {}\n", 1);
/// # });
/// ```
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::io::_print(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the standard output: [`std::println!`], whose waits suspend the fiber. See [`io::Stdout`](crate::io::Stdout).
///
/// What tests print with it is not captured by their harness.
///
/// # Panics
///
/// As std's, if it cannot be written.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let name = "fiber";
/// fiber::println!("hello, {name}");
/// fiber::println!();
/// # });
/// ```
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($($argument:tt)*) => {
        $crate::io::_print(::core::format_args!("{}\n", ::core::format_args!($($argument)*)))
    };
}

/// Prints to the standard error: [`std::eprint!`], whose waits suspend the fiber. See [`io::Stderr`](crate::io::Stderr).
///
/// # Panics
///
/// As std's, if it cannot be written.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// fiber::eprint!("no line end: {}\n", 1);
/// # });
/// ```
#[macro_export]
macro_rules! eprint {
    ($($argument:tt)*) => {
        $crate::io::_eprint(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the standard error: [`std::eprintln!`], whose waits suspend the fiber. See [`io::Stderr`](crate::io::Stderr).
///
/// # Panics
///
/// As std's, if it cannot be written.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// fiber::eprintln!("a line: {}", 1);
/// # });
/// ```
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::eprint!("\n")
    };
    ($($argument:tt)*) => {
        $crate::io::_eprint(::core::format_args!("{}\n", ::core::format_args!($($argument)*)))
    };
}

/// What [`print!`] and [`println!`] call.
#[doc(hidden)]
pub fn _print(arguments: Arguments<'_>) {
    finish("stdout", stdout().write_fmt(arguments));
}

/// What [`eprint!`] and [`eprintln!`] call.
#[doc(hidden)]
pub fn _eprint(arguments: Arguments<'_>) {
    // In one piece, for there is no buffer.
    finish("stderr", stderr().write_all(fmt::format(arguments).as_bytes()));
}

fn finish(stream: &str, result: io::Result<()>) {
    if let Err(error) = result {
        if let Some(current) = Current::get() {
            // Not the stream's fault, and nothing to report.
            current.interruption_point();
        }
        panic!("failed printing to {stream}: {error}");
    }
}
