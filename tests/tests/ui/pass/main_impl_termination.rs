//! A return type that has no name.

use std::process::{ExitCode, Termination};

#[fiber::main]
fn main() -> impl Termination {
    ExitCode::SUCCESS
}
