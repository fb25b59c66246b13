//! What asks for more memory than there is.
//!
//! A measurement with far too many fibers would end as "killed", or with the abort of an allocation, after it has pushed everything else out of
//! memory.

use crate::command::Bench;
use std::fs;

const KIB: u64 = 1024;

/// What is there at the same time, and bytes that each takes for sure.
fn need(bench: &Bench) -> Option<(&'static str, u64, u64)> {
    // A parked fiber has a page of its stack; one that may have ended, or not begun, has its record.
    let (page, record) = (4 * KIB, 128);
    Some(match *bench {
        Bench::Yield { tasks, .. } | Bench::Mutex { tasks, .. } => ("fibers", tasks as u64, page),
        Bench::Idle { n, .. } => ("fibers", n as u64, page),
        Bench::Fanout { children, .. } => ("fibers", children as u64, page),
        Bench::Timers { n } => ("fibers", n as u64, record),
        Bench::Spawn { n, batch } => ("fibers", batch.min(n) as u64, record),
        Bench::Fsread { depth, .. } => ("readers", depth as u64, record),
        // Of a tree, one branch may be there at a time; the others are few.
        Bench::Skynet { .. }
        | Bench::Pingpong { .. }
        | Bench::EchoServer { .. }
        | Bench::HttpServer { .. }
        | Bench::Start { .. } => return None,
    })
}

/// Refuses what cannot fit into the memory that the machine has left.
pub(crate) fn check(bench: &Bench) -> Result<(), String> {
    let (Some((what, count, each)), Some(left)) = (need(bench), left()) else { return Ok(()) };
    if u128::from(count) * u128::from(each) <= left.into() {
        return Ok(());
    }
    let [least, left] = [u128::from(count) * u128::from(each), left.into()].map(|bytes| bytes / u128::from(KIB * KIB));
    Err(format!("{count} {what} at once take at least {least} MiB, and {left} MiB of memory are left (/proc/meminfo)"))
}

fn left() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * KIB)
    };
    Some(field("MemAvailable:")? + field("SwapFree:").unwrap_or(0))
}
