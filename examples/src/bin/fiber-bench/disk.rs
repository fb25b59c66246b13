//! Random reads of a file.

use crate::crowd::join;
use crate::report::{Measured, Random, processor_seconds};
use fiber::JoinHandle;
use fiber::fs::{File, OpenOptions};
use fiber::os::unix::fs::FileExt;
use hdrhistogram::Histogram;
use std::error::Error;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;

/// Aligned, as direct reads want it.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

pub(crate) fn random_reads(
    path: &Path,
    seconds: f64,
    depth: usize,
    direct: bool,
) -> Result<Measured, Box<dyn Error + Send + Sync>> {
    let time = Duration::try_from_secs_f64(seconds)?;
    let mut options = OpenOptions::new();
    options.read(true);
    if direct {
        options.custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed());
    }
    let file = options.open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = Arc::new(file);
    let blocks = file.metadata()?.len() / BLOCK as u64;
    if blocks == 0 {
        return Err(format!("{}: it has no whole block of 4 KiB", path.display()).into());
    }
    let (begin, busy) = (Instant::now(), processor_seconds());
    let readers: Vec<JoinHandle<io::Result<Histogram<u64>>>> = (0..depth)
        .map(|reader| {
            let file = Arc::clone(&file);
            fiber::spawn(move || read(&file, blocks, begin + time, Random::new(reader as u64 + 1)))
        })
        .collect();
    let mut latencies = new_histogram();
    for reader in readers {
        latencies.add(join(reader).map_err(|error| format!("{}: {error}", path.display()))?)?;
    }
    let (taken, busy) = (begin.elapsed(), processor_seconds() - busy);
    let microseconds = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
    let each_second = latencies.len() as f64 / taken.as_secs_f64();
    Ok(Measured::new("fsread", each_second, "IOPS")
        .with("path", path.display().to_string())
        .with("seconds", seconds)
        .with("depth", depth)
        .with("direct", direct)
        .and("p50_us", microseconds(0.5))
        .and("p99_us", microseconds(0.99))
        .and("cpu_s", busy))
}

/// One read after the other.
fn read(file: &File, blocks: u64, end: Instant, mut random: Random) -> io::Result<Histogram<u64>> {
    let mut latencies = new_histogram();
    let mut block = Box::new(Block([0; BLOCK]));
    let mut now = Instant::now();
    while now < end {
        let offset = random.below(blocks) * BLOCK as u64;
        file.read_exact_at(&mut block.0, offset)?;
        let then = std::mem::replace(&mut now, Instant::now());
        let nanoseconds = u64::try_from((now - then).as_nanos()).unwrap_or(u64::MAX);
        latencies.record(nanoseconds).map_err(io::Error::other)?;
        let [a, b, c, d, e, f, g, h, ..] = block.0;
        let found = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        if found != offset {
            return Err(io::Error::other(format!("the block at {offset} begins with {found}")));
        }
    }
    Ok(latencies)
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}
