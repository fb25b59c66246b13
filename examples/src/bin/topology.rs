//! The machine as the scheduler sees it, and where fibers ran on it.
//!
//! Prints the tree of nodes, packages, caches and cores, then spawns a batch of fibers for each placement and counts
//! on which worker and which node they ran, and how many of them were stolen from their spawner's worker.
//!
//! ```sh
//! cargo run --release --bin topology
//! cargo run --release --bin topology -- --below /tmp/another-machine --workers 8
//! ```
//!
//! With `--below` it plans for the machine whose `/sys` was copied into that folder; its threads then run wherever they may.

use clap::Parser;
use fiber::Numa;
use fiber::runtime::{Builder, Handle, RuntimeError, Topology, WorkerMetrics, current_worker};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Shows the machine's topology, and where fibers run.
#[derive(Parser)]
struct Arguments {
    /// Fibers for each placement.
    #[arg(long, default_value_t = 1000)]
    fibers: usize,
    /// Microseconds of work in each fiber.
    #[arg(long, default_value_t = 50)]
    work: u64,
    /// The number of workers, if not one for each CPU that may be used.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Option<u16>,
    /// A folder that stands for `/` of another machine.
    #[arg(long)]
    below: Option<PathBuf>,
}

/// Where a fiber ran.
struct Seen {
    worker: usize,
    cpu: usize,
}

/// Computes for that long, and says where.
fn compute(time: Duration) -> Seen {
    let begin = Instant::now();
    let mut sum = 0u64;
    while begin.elapsed() < time {
        (0..1000).for_each(|number| sum = black_box(sum.wrapping_add(number)));
    }
    Seen { worker: current_worker().expect("this is a fiber"), cpu: rustix::thread::sched_getcpu() }
}

/// Runs a batch and prints where it went.
fn run(numa: Numa, arguments: &Arguments) {
    let before = metrics();
    let here = current_worker().expect("this is a fiber");
    let work = Duration::from_micros(arguments.work);
    let fibers: Vec<_> =
        (0..arguments.fibers).map(|_| fiber::Builder::new().numa(numa).spawn(move || compute(work))).collect();
    let seen: Vec<Seen> = fibers.into_iter().map(|fiber| fiber.join().expect("it does not panic")).collect();
    let after = metrics();
    let left = seen.iter().filter(|seen| seen.worker != here).count();
    println!("numa = {numa}: {} fibers spawned on worker {here}, {left} ran on others", seen.len());
    for (worker, (before, after)) in before.iter().zip(&after).enumerate() {
        let ran: Vec<&Seen> = seen.iter().filter(|seen| seen.worker == worker).collect();
        if ran.is_empty() {
            continue;
        }
        let cpus: BTreeSet<String> = ran.iter().map(|seen| seen.cpu.to_string()).collect();
        let stolen = |of: fn(&WorkerMetrics) -> u64| of(after) - of(before);
        println!(
            "  worker {worker}, node {}: {} fibers on CPU {}; it stole {} from siblings, {} within its cache, {} within its node, {} \
             from other nodes",
            after.node,
            ran.len(),
            Vec::from_iter(cpus).join(", "),
            stolen(|metrics| metrics.stolen_from_siblings),
            stolen(|metrics| metrics.stolen_within_cache),
            stolen(|metrics| metrics.stolen_within_node),
            stolen(|metrics| metrics.stolen_from_other_nodes),
        );
    }
}

fn metrics() -> Vec<WorkerMetrics> {
    Handle::try_current().expect("this is a fiber").worker_metrics()
}

fn main() -> Result<(), RuntimeError> {
    let arguments = Arguments::parse();
    let mut builder = Builder::new();
    if let Some(root) = &arguments.below {
        builder = builder.topology(Topology::below(root));
    }
    if let Some(workers) = arguments.workers {
        builder = builder.workers(workers.into());
    }
    let runtime = builder.build()?;
    print!("{}", runtime.handle().topology());
    println!();
    runtime.run(|| [Numa::Any, Numa::Local, Numa::Spread].into_iter().for_each(|numa| run(numa, &arguments)));
    Ok(())
}
