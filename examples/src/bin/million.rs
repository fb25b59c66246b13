//! A million fibers, each waiting on a stack of its own with a guard page below it.
//!
//! ```sh
//! cargo run --release --bin million
//! ```
//!
//! prints what one of them costs in resident memory, wakes and joins all of them, and watches the runtime give the memory
//! back, a part each second: for a while it keeps stacks, in case they are needed again.
//! It needs about 5 GB for the million; `--fibers 100000` makes it smaller.

use clap::Parser;
use fiber::JoinHandle;
use fiber::time::{Instant, sleep};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Parks a crowd of fibers and weighs them.
#[derive(Parser)]
struct Arguments {
    /// How many fibers
    #[arg(long, default_value_t = 1_000_000)]
    fibers: usize,

    /// For how many seconds to watch the memory when all have ended
    #[arg(long, default_value_t = 5)]
    watch: u64,
}

/// What the fibers and main tell each other.
#[derive(Default)]
struct Crowd {
    /// Fibers that have started and are about to park.
    parked: AtomicUsize,
    /// Whether the fibers may go home.
    released: AtomicBool,
}

/// Waits until the crowd is released. Reserves less address space than the default, since it calls so little.
#[fiber::task(stack_size = "64k")]
fn wait(crowd: Arc<Crowd>) {
    crowd.parked.fetch_add(1, Ordering::Relaxed);
    // Whoever unparks may do so before everybody is released.
    while !crowd.released.load(Ordering::Acquire) {
        fiber::park();
    }
}

/// This process's memory, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    /// Pages that are in memory.
    resident: usize,
    /// The kernel's page tables for them.
    page_tables: usize,
}

impl Memory {
    /// Asks the kernel.
    fn now() -> io::Result<Memory> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let kibibytes = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            let kibibytes = kibibytes.and_then(|number| number.parse::<usize>().ok());
            kibibytes
                .map(|number| number * 1024)
                .ok_or_else(|| io::Error::other(format!("no {name} in /proc/self/status")))
        };
        Ok(Memory { resident: field("VmRSS:")?, page_tables: field("VmPTE:")? })
    }
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[fiber::main]
fn main() -> io::Result<()> {
    let Arguments { fibers, watch } = Arguments::parse();
    let crowd = Arc::new(Crowd::default());
    let before = Memory::now()?;
    println!("before:             {:8.1} MiB resident", mebibytes(before.resident));

    let start = Instant::now();
    let mut handles: Vec<JoinHandle<()>> = Vec::with_capacity(fibers);
    for number in 1..=fibers {
        handles.push(wait::spawn(Arc::clone(&crowd)));
        if number % fibers.div_ceil(10) == 0 {
            println!("                    {number} spawned, {} parked", crowd.parked.load(Ordering::Relaxed));
        }
    }
    while crowd.parked.load(Ordering::Relaxed) < fibers {
        sleep(Duration::from_millis(10));
    }
    println!("all {fibers} parked after {:.2?}", start.elapsed());

    let parked = Memory::now()?;
    let stacks = parked.resident.saturating_sub(before.resident);
    let tables = parked.page_tables.saturating_sub(before.page_tables);
    println!("parked:             {:8.1} MiB resident", mebibytes(parked.resident));
    println!("resident per fiber: {:8} bytes", stacks / fibers.max(1));
    println!("page tables:        {:8} bytes per fiber", tables / fibers.max(1));

    let start = Instant::now();
    crowd.released.store(true, Ordering::Release);
    for handle in &handles {
        handle.fiber().unpark();
    }
    for handle in handles {
        handle.join()?;
    }
    println!("all {fibers} woken and joined after {:.2?}", start.elapsed());

    println!("afterwards:         {:8.1} MiB resident", mebibytes(Memory::now()?.resident));
    for second in 1..=watch {
        sleep(Duration::from_secs(1));
        println!("{:<19} {:8.1} MiB resident", format!("{second} s later:"), mebibytes(Memory::now()?.resident));
    }
    Ok(())
}
