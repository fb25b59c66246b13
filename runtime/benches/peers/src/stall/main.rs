//! A server of which some requests compute: what becomes of those that do not?
//!
//! Connections send messages at a steady rate; most are sent back at once, some cost 0.1 to 10 ms of processor time first. That is the
//! workload of which ClickHouse's Silk publishes figures (its `docs/perf.md`). The load comes from a process of its own and is *open*: a message is
//! due at a certain time, whether or not earlier ones were answered, and its latency counts from then (G. Tene, "How NOT to Measure Latency", 2013).
//! The table has the latencies of messages that ask for no computation.
//!
//! The program starts itself again, as each server and as the load, one server after the other, for some rounds; it prints medians of the
//! rounds, as a Markdown table.

#[path = "../../../common/machine.rs"]
#[allow(dead_code)]
mod machine;

mod load;
mod servers;

use load::{Latencies, Plan};
use servers::Server;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio, exit};
use std::time::Duration;

/// Processor time that the computing messages ask for, in hundredths of one processor.
const LOADS: [u32; 2] = [60, 120];
const WORKERS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", name] => servers::run(Server::named(name), WORKERS),
        ["load", port, percent, milliseconds] => {
            let plan = Plan::new(number(percent), Duration::from_millis(number(milliseconds)));
            println!("{}", load::run(number(port), &plan).line());
        }
        [] => compare(5, 3000),
        ["--short"] => compare(1, 300),
        _ => {
            eprintln!("usage: stall [--short]");
            exit(2);
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn compare(rounds: usize, milliseconds: u64) {
    println!("{}", machine::describe());
    println!(
        "{} connections, {} messages a second of {} bytes, {WORKERS} workers; medians of {rounds} rounds of {milliseconds} ms\n",
        load::CONNECTIONS,
        load::RATE,
        load::SIZE
    );
    println!("| computing | server | answered/s | p50 | p99 | p99.9 |\n|---:|---|---:|---:|---:|---:|");
    for percent in LOADS {
        let mut results: Vec<Vec<Latencies>> = Server::ALL.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (server, results) in Server::ALL.iter().zip(&mut results) {
                results.push(measure(*server, percent, milliseconds));
            }
        }
        for (server, results) in Server::ALL.iter().zip(results) {
            let median = |pick: fn(&Latencies) -> f64| {
                let mut values: Vec<f64> = results.iter().map(pick).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            println!(
                "| {percent} % | {} | {:.0} | {:.2} ms | {:.2} ms | {:.1} ms |",
                server.title(),
                median(|latencies| latencies.answered),
                median(|latencies| latencies.median),
                median(|latencies| latencies.p99),
                median(|latencies| latencies.p999),
            );
        }
    }
}

/// Ends a process.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(server: Server, percent: u32, milliseconds: u64) -> Latencies {
    let program = std::env::current_exe().expect("the program's own path");
    let start = |arguments: &[&str]| {
        let child = Command::new(&program).args(arguments).stdout(Stdio::piped()).spawn();
        Running(child.expect("it can be started again"))
    };
    let mut serving = start(&["server", server.name()]);
    let mut port = String::new();
    BufReader::new(serving.0.stdout.as_mut().unwrap()).read_line(&mut port).expect("it says its port");
    let mut loading = start(&["load", port.trim(), &percent.to_string(), &milliseconds.to_string()]);
    let mut line = String::new();
    loading.0.stdout.as_mut().unwrap().read_to_string(&mut line).expect("it says what it saw");
    Latencies::of_line(&line).unwrap_or_else(|| panic!("the load on {} failed: {line}", server.name()))
}
