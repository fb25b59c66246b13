//! How much memory there is, and what asks for more than that.
//!
//! A measurement with too many fibers would end as "killed", or with the abort of an allocation. What cannot fit is refused before it
//! starts. What may fit is started, and watched by a thread, which nothing has that fits for sure: it would be in the measurement.

use crate::command::Bench;
use crate::fail;
use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What is there at the same time.
struct Need {
    what: &'static str,
    count: u64,
    /// Bytes that each takes for sure, and what is left out is much.
    least: u64,
    /// Bytes that none exceeds.
    most: u64,
}

impl Need {
    fn of(bench: &Bench) -> Option<Need> {
        // A parked fiber has a page of its stack, and some 1 KiB beside it; one that waits for its turn has its record.
        let parked = |count| Need { what: "fibers", count, least: 4 * KIB, most: 8 * KIB };
        Some(match *bench {
            Bench::Yield { tasks, .. } | Bench::Mutex { tasks, .. } => parked(tasks as u64),
            Bench::Idle { n, .. } => parked(n as u64),
            Bench::Fanout { children, .. } => parked(children as u64),
            // The first ones may have ended when the last ones begin. Then there is a record, which holds the result.
            Bench::Timers { n } => Need { least: 128, ..parked(n as u64) },
            // They end as soon as they begin, one after the other on each worker.
            Bench::Spawn { n, batch } => Need { least: 128, most: KIB, ..parked(batch.min(n) as u64) },
            // From one branch to all at once.
            Bench::Skynet { leaves } => Need { least: 0, ..parked(leaves) },
            // With its latencies.
            Bench::Fsread { depth, .. } => Need { what: "readers", count: depth as u64, least: 128, most: 256 * KIB },
            Bench::Pingpong { .. } | Bench::EchoServer { .. } | Bench::HttpServer { .. } | Bench::Start { .. } => {
                return None;
            }
        })
    }

    /// Whether it may fit; then whether it fits for sure.
    fn fits(&self, left: &Left) -> Result<bool, String> {
        let bytes = u128::from(self.count) * u128::from(self.least);
        if bytes > left.bytes.into() {
            let Need { what, count, .. } = self;
            return Err(format!("{count} {what} at once take at least {}, and {left}", Mebibytes(bytes)));
        }
        Ok(u128::from(self.count) * u128::from(self.most) <= left.bytes.into())
    }
}

/// Refuses what does not fit into memory, and starts to watch what may not.
pub(crate) fn provide(bench: &Bench) -> Result<(), String> {
    let (Some(need), Some(left)) = (Need::of(bench), Left::find()) else { return Ok(()) };
    if !need.fits(&left)? {
        let reserve = (left.bytes / 16).min(128 * MIB);
        std::thread::spawn(move || watch(&need, reserve));
    }
    Ok(())
}

/// Ends the process when no more than the reserve is left.
fn watch(need: &Need, reserve: u64) {
    while let Some(left) = Left::find() {
        if left.bytes < reserve {
            let Need { what, count, .. } = need;
            fail(format_args!("memory has run out before {count} {what} were there: {left}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The memory that this process may still have, and who says so.
#[derive(Debug, PartialEq)]
struct Left {
    bytes: u64,
    limit: String,
}

impl Left {
    /// Of this process.
    fn find() -> Option<Left> {
        let least = Left::read(Path::new("/"))?;
        // Address space, of which everything takes at least as much.
        let Some(limit) = getrlimit(Resource::As).current else { return Some(least) };
        let used = field(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")? * KIB;
        let bytes = limit.saturating_sub(used);
        Some(if bytes < least.bytes { Left { bytes, limit: "ulimit -v".to_owned() } } else { least })
    }

    /// What the machine and the cgroups leave; the files below `root`. `None` without `/proc`.
    fn read(root: &Path) -> Option<Left> {
        let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
        let machine = |name| Some(field(&meminfo, name)? * KIB);
        let swap = machine("SwapFree:").unwrap_or(0);
        let mut least = Left { bytes: machine("MemAvailable:")? + swap, limit: "/proc/meminfo".to_owned() };
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        for group in groups.lines() {
            let mut parts = group.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let (below, version) = match controllers {
                "" => ("sys/fs/cgroup", &VERSION_2),
                _ if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", &VERSION_1),
                _ => continue,
            };
            // In a container the path may be one of the host's: then some of it is not there.
            for path in Path::new(path.trim_start_matches('/')).ancestors() {
                let folder = root.join(below).join(path);
                if let Some(bytes) = version.left(&folder).map(|bytes| bytes.saturating_add(swap))
                    && bytes < least.bytes
                {
                    least = Left { bytes, limit: folder.join(version.limit).display().to_string() };
                }
            }
        }
        Some(least)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of memory are left ({})", Mebibytes(self.bytes.into()), self.limit)
    }
}

/// What a version of cgroups calls its files.
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: pages of files, which are given up when memory is short.
    files: [&'static str; 2],
}

const VERSION_1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    files: ["total_inactive_file", "total_active_file"],
};
const VERSION_2: Names =
    Names { limit: "memory.max", usage: "memory.current", files: ["inactive_file", "active_file"] };

impl Names {
    /// `None` if this group has no limit.
    fn left(&self, folder: &Path) -> Option<u64> {
        let number = |name| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let (limit, usage) = (number(self.limit)?, number(self.usage)?);
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let files: u64 = self.files.iter().filter_map(|name| field(&stat, name)).sum();
        Some(limit.saturating_sub(usage.saturating_sub(files)))
    }
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

struct Mebibytes(u128);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0 / u128::from(MIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Files of somebody else's machine.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str, files: &[(&str, &str)]) -> Machine {
            let root = std::env::temp_dir().join(format!("fiber-bench-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Machine(root)
        }

        fn left(&self) -> Option<(u64, String)> {
            let left = Left::read(&self.0)?;
            Some((left.bytes, left.limit.replace(self.0.to_str().unwrap(), "")))
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    8000 kB\nSwapFree:  1000 kB\n");

    #[test]
    fn the_tightest_limit_counts() {
        assert_eq!(Machine::new("nothing", &[]).left(), None);
        assert_eq!(Machine::new("free", &[MEMINFO]).left(), Some((9000 * KIB, "/proc/meminfo".to_owned())));
        let group = [
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "700\n"),
            ("sys/fs/cgroup/a/memory.max", "2000\n"),
            ("sys/fs/cgroup/a/memory.current", "1500\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 900\nfile 600\ninactive_file 100\nactive_file 200\n"),
        ];
        let expected = 1000 * KIB + 2000 - (1500 - 300);
        assert_eq!(Machine::new("v2", &group).left(), Some((expected, "/sys/fs/cgroup/a/memory.max".to_owned())));
        // What a container sees: its own group in place of the root, and the host's name for it.
        let group = [
            MEMINFO,
            ("proc/self/cgroup", "5:devices:/x\n4:memory:/host/x\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "6000\n"),
        ];
        let limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned();
        assert_eq!(Machine::new("v1", &group).left(), Some((1000 * KIB, limit)));
    }

    #[test]
    fn what_may_fit_is_not_refused() {
        let left = Left { bytes: 100 * MIB, limit: "here".to_owned() };
        let fits = |bench| Need::of(&bench).unwrap().fits(&left);
        assert_eq!(fits(Bench::Idle { n: 12_800, settle: 0 }), Ok(true));
        assert_eq!(fits(Bench::Idle { n: 12_801, settle: 0 }), Ok(false));
        assert_eq!(fits(Bench::Idle { n: 25_600, settle: 0 }), Ok(false));
        let refused = "25856 fibers at once take at least 101 MiB, and 100 MiB of memory are left (here)";
        assert_eq!(fits(Bench::Idle { n: 25_856, settle: 0 }), Err(refused.to_owned()));
        // The batch is what is there at once.
        assert_eq!(fits(Bench::Spawn { n: usize::MAX, batch: 1000 }), Ok(true));
        assert!(fits(Bench::Spawn { n: usize::MAX, batch: usize::MAX }).is_err());
        assert!(fits(Bench::Yield { tasks: usize::MAX, iters: 1 }).is_err());
        assert_eq!(fits(Bench::Skynet { leaves: 10_u64.pow(18) }), Ok(false));
        assert!(Need::of(&Bench::Pingpong { rounds: usize::MAX }).is_none());
    }
}
