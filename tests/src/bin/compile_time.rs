//! What the checks cost a user's `cargo check`: `cargo run --release -p fiber-tests --bin compile_time`.
//!
//! It runs `cargo check` of a crate without and with one `#[fiber::check]` on a function of about 500 lines, alternating,
//! and prints the processor time that a run takes, which other work on the machine changes less than how long it takes. Once the function is all of the crate; once it is one of ten, as in a crate of 5000 lines. The
//! function does what services do: it parses, locks, reads, writes and formats, with a suspicious name on every sixth line.
//! The dependencies are built before, and the compiler's incremental cache is emptied by a change of every function.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fiber_tests::sample::{Sample, WORKSPACE};

const ROUNDS: usize = 15;
/// `USER_HZ` is 100 on all of Linux.
const MILLISECONDS_PER_TICK: u64 = 10;
/// Blocks of a function.
const BLOCKS: usize = 14;

const HEAD: &str = "
#![allow(clippy::all)]
use fiber::net::TcpStream;
use fiber::sync::Mutex;
use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};

pub struct State {
    count: u64,
    names: Vec<String>,
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum, byte| sum * 31 + u64::from(*byte))
}
fn scale(value: u64, by: u64) -> u64 {
    value * by
}
fn describe(value: u64, bytes: &[u8]) -> String {
    format!(\"{value}: {bytes:?}\")
}
";

const BLOCK: &str = "
    let mut fields@ = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = line.split_once('=') else {
            errors.push(format!(\"line {} has no value\", index + 1));
            continue;
        };
        let value = value.trim().parse::<u64>().map_err(|error| format!(\"line {index}: {error}\"))?;
        fields@.insert(key.to_owned(), value);
    }
    let total@: u64 = fields@.values().copied().filter(|value| *value > #).sum();
    {
        let mut state = shared.lock().unwrap();
        state.count += total@;
        state.names.extend(fields@.keys().cloned());
        if state.names.len() > limit {
            state.names.truncate(limit);
        }
    }
    let mut buffer@ = Vec::with_capacity(64);
    while buffer@.len() < limit {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        buffer@.extend_from_slice(&chunk[..read]);
    }
    writeln!(stream, \"{} of {}\", total@, buffer@.len())?;
    stream.write_all(&buffer@)?;
    let checked@ = checksum(&buffer@).wrapping_add(scale(total@, #));
    if let Some(last) = fields@.get(\"last\").filter(|last| **last == checked@) {
        errors.push(describe(*last, &buffer@));
    }
    sum = sum.wrapping_add(checked@);
";

fn main() {
    let scratch = Path::new(WORKSPACE).join("target/compile-time");
    let scratch = scratch.to_str().expect("the path is text");
    println!("| crate | bare | one function of {} lines checked | more |", function("", 0, 0).lines().count());
    println!("| --- | --- | --- | --- |");
    for functions in [1, 10] {
        let sample = Sample::new(scratch, "compile-time");
        let mut ticks = [0, 0];
        for round in 0..=ROUNDS {
            for (checked, ticks) in ticks.iter_mut().enumerate() {
                sample.write("src/lib.rs", &source(functions, checked == 1, round * 2 + checked));
                let before = children();
                let (compiles, messages) = sample.messages("check");
                assert!(compiles, "{messages:#?}");
                // The first round builds the dependencies.
                if round > 0 {
                    *ticks += children() - before;
                }
            }
        }
        let [bare, checked] = ticks.map(|ticks| ticks * MILLISECONDS_PER_TICK / ROUNDS as u64);
        let more = (ticks[1] as f64 / ticks[0] as f64 - 1.0) * 100.0;
        let lines = source(functions, false, 0).lines().count();
        println!("| {lines} lines | {bare} ms | {checked} ms | {more:.0} % |");
    }
}

fn source(functions: usize, checked: bool, seed: usize) -> String {
    let mut source = HEAD.to_owned();
    for number in 0..functions {
        let attribute = if checked && number == 0 { "#[fiber::check]" } else { "" };
        source.push_str(&function(attribute, number, seed));
    }
    source
}

fn function(attribute: &str, number: usize, seed: usize) -> String {
    let mut source = String::new();
    writeln!(
        source,
        "{attribute}
pub fn serve{number}(text: &str, shared: &Mutex<State>, mut stream: TcpStream, limit: usize) -> Result<u64, Box<dyn Error>> {{
    let mut errors: Vec<String> = Vec::new();
    let mut chunk = [0; 4096];
    let mut sum = 0u64;"
    )
    .expect("a string takes everything");
    for block in 0..BLOCKS {
        source.push_str(&BLOCK.replace('@', &block.to_string()).replace('#', &(seed + block).to_string()));
    }
    source
        .push_str("    for error in &errors {\n        stream.write_all(error.as_bytes())?;\n    }\n    Ok(sum)\n}\n");
    source
}

/// The processor time of all processes that this one has waited for, from proc_pid_stat(5): `cutime` and `cstime`.
fn children() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has it");
    // The name of the program may have spaces.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
