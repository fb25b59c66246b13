//! `select!` under strict lints, in a crate that knows fiber by another name and has its own ideas about common ones.
#![no_implicit_prelude]
#![deny(warnings, clippy::all, clippy::pedantic, unsafe_code, unused)]
#![forbid(non_camel_case_types, unreachable_code)]

extern crate fiber as strands;
extern crate std;

use std::prelude::rust_2024::{Err, Ok, Result};

/// Not the one that the expansion means.
#[allow(dead_code)]
enum Option {
    None,
    Some(u8),
}

#[allow(dead_code)]
mod fiber {}
#[allow(dead_code)]
mod core {}

fn first(left: &strands::sync::mpsc::Receiver<u8>, right: &strands::sync::mpsc::Receiver<u8>) -> Result<u8, ()> {
    strands::select! {
        biased;
        message = left.recv(), if true => message.map_err(std::mem::drop),
        message = right.recv() => {
            let output = message.map_err(|_| ())?;
            Ok(output)
        }
        default => Err(()),
    }
}

fn main() {
    let (sender, receiver) = strands::sync::mpsc::channel();
    let (other, others) = strands::sync::mpsc::channel();
    std::assert_eq!(first(&receiver, &others), Err(()));
    sender.send(1).unwrap();
    other.send(2).unwrap();
    std::assert_eq!(first(&receiver, &others), Ok(1));
    std::assert_eq!(first(&receiver, &others), Ok(2));
}
