//! Reading a machine's files.

use super::allowed::Allowed;
use super::{Cache, Cpu, LOCAL_DISTANCE, Node, REMOTE_DISTANCE, Topology, list};
use crate::sys::{affinity, memory};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";

/// The files below a root.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        // Files of the kernel do not say how long they are. Into a buffer of nothing they are read in many small pieces.
        let mut text = String::with_capacity(4096);
        File::open(self.0.join(path)).ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    }

    pub(super) fn list(&self, path: impl AsRef<Path>) -> Option<Vec<usize>> {
        list::parse(&self.text(path)?)
    }

    fn number<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.trim().parse().ok()
    }

    /// The numbers of the entries of a folder that are called `prefix` and a number, the lowest first.
    fn numbered(&self, folder: impl AsRef<Path>, prefix: &str) -> Vec<usize> {
        let entries = fs::read_dir(self.0.join(folder)).into_iter().flatten().flatten();
        let mut numbers: Vec<usize> =
            entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// The machine that the process runs on, less what the process may not use.
///
/// To read all of it takes some hundred microseconds. So the latest reading is kept for the process, with what tells whether it still holds.
pub(super) fn current() -> Topology {
    static LATEST: Mutex<Option<(Signs, Topology)>> = Mutex::new(None);
    // Before the files: if something changes meanwhile, the next one who asks finds that it has.
    let signs = Signs::now();
    let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, topology)) = &*latest
        && *of == signs
        && signs.are_known()
    {
        return topology.clone();
    }
    let topology = Topology { real: true, ..below(Path::new("/")) };
    *latest = Some((signs, topology.clone()));
    topology
}

/// What changes when the machine does, as far as it is for the calling thread, or what the thread may use of it: the kernel takes from both
/// what is not online and what the cgroup does not allow.
#[derive(PartialEq, Eq)]
struct Signs {
    cpus: Vec<usize>,
    memory: Option<Vec<usize>>,
}

impl Signs {
    fn now() -> Signs {
        // Some sandboxes forbid the call, and show the file.
        let listed = || Allowed::read(&Files(PathBuf::from("/"))).memory;
        Signs { cpus: affinity::allowed(), memory: memory::allowed_nodes().or_else(listed) }
    }

    fn are_known(&self) -> bool {
        !self.cpus.is_empty() && self.memory.is_some()
    }
}

/// What stands below a root, less what the process may not use.
pub(super) fn below(root: &Path) -> Topology {
    let files = Files(root.to_owned());
    let mut allowed = Allowed::read(&files);
    if root == Path::new("/") {
        allowed.cpus = allowed.cpus.or_else(|| Some(affinity::allowed()).filter(|cpus| !cpus.is_empty()));
    }
    let nodes = nodes(&files, allowed.memory.as_deref());
    let numbers = usable(&files, &nodes, allowed.cpus);
    let slow = slow(&files, &numbers);
    let mut shared = Shared::default();
    let mut cpus: Vec<Cpu> = numbers.iter().map(|&cpu| processor(&files, &nodes, &slow, &mut shared, cpu)).collect();
    let order = |cpu: &Cpu| (cpu.node, cpu.package, cpu.cache.map(|cache| cache.first), cpu.core, cpu.number);
    cpus.sort_by_key(order);
    let of = |node: u32| cpus.iter().filter(|cpu| cpu.node == node).map(Cpu::number).collect();
    let mut nodes: Vec<Node> = nodes
        .into_iter()
        .map(|node| {
            let mut cpus: Vec<usize> = of(node.number);
            cpus.sort_unstable();
            Node { cpus, ..node }
        })
        .collect();
    // Without CPUs, and without memory that is known to be there, it is nothing to this process.
    nodes.retain(|node| !node.cpus.is_empty() || node.memory.is_some_and(|bytes| bytes > 0));
    Topology { nodes, cpus, real: false }
}

/// The nodes of the machine with all their CPUs; one for all if none are shown.
fn nodes(files: &Files, allowed: Option<&[usize]>) -> Vec<Node> {
    let folders = files.numbered(NODES, "node");
    if folders.is_empty() {
        let memory = files.text("proc/meminfo").and_then(|text| total(&text));
        return vec![Node { number: 0, cpus: Vec::new(), memory, distances: vec![(0, LOCAL_DISTANCE)] }];
    }
    let online = files.list(Path::new(NODES).join("online")).filter(|list| !list.is_empty());
    let online: Vec<usize> = match online {
        Some(online) => folders.into_iter().filter(|node| online.contains(node)).collect(),
        None => folders,
    };
    let node = |&number: &usize| {
        let folder = Path::new(NODES).join(format!("node{number}"));
        // One number for each node that is online, in their order.
        let table = files.text(folder.join("distance")).unwrap_or_default();
        let table: Vec<Option<u32>> = table.split_whitespace().map(|distance| distance.parse().ok()).collect();
        let distances = online.iter().enumerate().map(|(place, &to)| {
            let assumed = if to == number { LOCAL_DISTANCE } else { REMOTE_DISTANCE };
            let said = if table.len() == online.len() { table[place] } else { None };
            (to as u32, said.unwrap_or(assumed))
        });
        let memory = match allowed {
            Some(allowed) if !allowed.contains(&number) => Some(0),
            _ => files.text(folder.join("meminfo")).and_then(|text| total(&text)),
        };
        Node {
            number: number as u32,
            cpus: files.list(folder.join("cpulist")).unwrap_or_else(|| files.numbered(&folder, "cpu")),
            memory,
            distances: distances.collect(),
        }
    };
    online.iter().map(node).collect()
}

/// Bytes, of a line such as `Node 0 MemTotal: 1024 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.split_once("MemTotal:"))?.1;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The CPUs that are online and allowed.
fn usable(files: &Files, nodes: &[Node], allowed: Option<Vec<usize>>) -> Vec<usize> {
    let said = |list: Vec<usize>| Some(list).filter(|list| !list.is_empty());
    let online = files
        .list(Path::new(CPUS).join("online"))
        .and_then(said)
        .or_else(|| said(files.numbered(CPUS, "cpu")))
        .or_else(|| said(nodes.iter().flat_map(|node| node.cpus.iter().copied()).collect()));
    let usable = match (&online, &allowed) {
        (Some(online), Some(allowed)) => said(online.iter().copied().filter(|cpu| allowed.contains(cpu)).collect()),
        _ => None,
    };
    // The process runs, so there is a CPU, whatever the files say.
    usable.or(allowed).or(online).unwrap_or_else(|| vec![0])
}

/// The CPUs that are slower by design than others of the machine.
fn slow(files: &Files, cpus: &[usize]) -> Vec<usize> {
    // Intel's hybrid processors have two units for counting events, each with its CPUs.
    let (fast, slow) = (files.list("sys/devices/cpu_core/cpus"), files.list("sys/devices/cpu_atom/cpus"));
    if let (Some(fast), Some(slow)) = (fast, slow)
        && !fast.is_empty()
    {
        return slow;
    }
    let capacity = |cpu: usize| files.number::<u64>(Path::new(CPUS).join(format!("cpu{cpu}/cpu_capacity")));
    // Where one has no such file, none has.
    let capacities: Vec<(usize, u64)> = cpus.iter().map_while(|&cpu| Some((cpu, capacity(cpu)?))).collect();
    let most = capacities.iter().map(|&(_, capacity)| capacity).max();
    capacities.into_iter().filter(|&(_, capacity)| Some(capacity) < most).map(|(cpu, _)| cpu).collect()
}

/// What CPUs have in common, so that it is read once: a large machine has ten thousand such files.
#[derive(Default)]
struct Shared {
    cores: Vec<Vec<usize>>,
    caches: Vec<(Cache, Vec<usize>)>,
}

fn processor(files: &Files, nodes: &[Node], slow: &[usize], shared: &mut Shared, cpu: usize) -> Cpu {
    let folder = Path::new(CPUS).join(format!("cpu{cpu}"));
    let topology = folder.join("topology");
    let home = nodes.iter().find(|node| node.cpus.contains(&cpu)).or(nodes.first());
    Cpu {
        number: cpu,
        node: home.map_or(0, Node::number),
        // -1 where the firmware does not say.
        package: files
            .number::<i64>(topology.join("physical_package_id"))
            .and_then(|id| id.try_into().ok())
            .unwrap_or(0),
        core: shared.core(files, &topology, cpu),
        cache: shared.last_cache(files, &folder, cpu),
        efficiency: slow.contains(&cpu),
    }
}

impl Shared {
    /// The lowest CPU of a CPU's core.
    fn core(&mut self, files: &Files, topology: &Path, cpu: usize) -> usize {
        if let Some(core) = self.cores.iter().find(|core| core.contains(&cpu)) {
            return core[0];
        }
        let said =
            ["core_cpus_list", "thread_siblings_list"].into_iter().find_map(|file| files.list(topology.join(file)));
        let Some(core) = said.filter(|list| list.contains(&cpu)) else {
            return cpu;
        };
        let first = core[0];
        self.cores.push(core);
        first
    }

    /// A CPU's cache of the highest level.
    fn last_cache(&mut self, files: &Files, cpu_folder: &Path, cpu: usize) -> Option<Cache> {
        if let Some((cache, _)) = self.caches.iter().find(|(_, shared)| shared.contains(&cpu)) {
            return Some(*cache);
        }
        let folder = cpu_folder.join("cache");
        let index = |index| folder.join(format!("index{index}"));
        let level = |number| Some((files.number(index(number).join("level"))?, number));
        let mut levels: Vec<(u32, usize)> = files.numbered(&folder, "index").into_iter().filter_map(level).collect();
        // The highest first: of the others no more is read, as a rule.
        levels.sort_unstable_by(|a, b| b.cmp(a));
        let (cache, shared) = levels.into_iter().find_map(|(level, number)| {
            let folder = index(number);
            if files.text(folder.join("type")).is_some_and(|kind| kind.trim() == "Instruction") {
                return None;
            }
            let shared = files.list(folder.join("shared_cpu_list")).filter(|list| list.contains(&cpu))?;
            let size = files.text(folder.join("size")).and_then(|text| kibibytes(&text));
            Some((Cache { level, size, first: shared[0] }, shared))
        })?;
        self.caches.push((cache, shared));
        Some(cache)
    }
}

/// Bytes, of a text such as `32768K`.
fn kibibytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1024)
}
