//! What the machine is made of: nodes, packages, caches, cores, hyperthreads, and how far they are from each other.
//!
//! A [`Topology`] is read from sysfs ([`read`]), and is a value from then on; the latest one of the real machine is kept for the next who
//! asks, which is all that the room owns. It is restricted to what the process may use ([`allowed`]), so whoever plans with it plans with
//! nothing else. Calls `sys` alone. The root folder can be replaced, so every machine can be planned for on every other.
//!
//! A file that is missing, unreadable or malformed makes the picture coarser and never fails: without nodes there is one node,
//! without distances all others are equally far, without caches CPUs share none, without sysfs every CPU is a core.
#![deny(unsafe_code)]

mod allowed;
mod list;
mod read;
#[cfg(all(test, not(loom)))]
#[path = "../../tests/common/sysfs.rs"]
pub(crate) mod sysfs;
#[cfg(all(test, not(loom)))]
mod tests;
mod tree;

pub(crate) use list::{format as format_list, parse as parse_list};
use std::path::Path;

/// The processors and memory of a machine, as far as the process may use them.
///
/// Read from sysfs (`/sys/devices/system/cpu` and `/sys/devices/system/node`). CPUs are those that are online and that the thread's affinity
/// mask and the process's cgroup allow; nodes are those with such a CPU, or with memory that the process may use.
/// [`Display`](std::fmt::Display) prints it as a tree. A value: it does not follow later changes of the machine.
///
/// All methods work from anywhere and wait for nothing but the reading of a few small files.
///
/// # Examples
///
/// ```
/// use fiber::runtime::Topology;
///
/// let machine = Topology::current();
/// assert!(!machine.cpus().is_empty());
/// for node in machine.nodes() {
///     println!("node {} has {} CPUs", node.number(), node.cpus().len());
/// }
/// print!("{machine}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// By number.
    nodes: Vec<Node>,
    /// Those of the lower node first, and within it of the lower package, cache, core.
    cpus: Vec<Cpu>,
    /// Whether this is the machine that the process runs on.
    real: bool,
}

/// A NUMA node of a [`Topology`]: processors, or memory, or both, that are equally near to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    number: u32,
    cpus: Vec<usize>,
    memory: Option<u64>,
    distances: Vec<(u32, u32)>,
}

/// A logical CPU of a [`Topology`]: a core, or one hyperthread of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    number: usize,
    node: u32,
    package: u32,
    core: usize,
    cache: Option<Cache>,
    efficiency: bool,
}

/// The last-level cache that a [`Cpu`] uses. Equal caches of one [`Topology`] are the same cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    level: u32,
    size: Option<u64>,
    first: usize,
}

/// The distance of a node to itself, by the firmware's table that Linux shows (ACPI 6.5, 5.2.17, "System Locality Information").
const LOCAL_DISTANCE: u32 = 10;
/// What Linux takes as the distance to other nodes where the firmware has no table (`REMOTE_DISTANCE` in `linux/topology.h`).
const REMOTE_DISTANCE: u32 = 20;

impl Topology {
    /// The machine, as far as the calling thread may use it.
    ///
    /// Threads that a runtime keeps on a node, its workers, see that node's CPUs alone.
    ///
    /// It is read for the first time, and then when the CPUs, or the nodes with memory, that the thread may use are not those of the time before: some
    /// hundred microseconds. Otherwise it is what was read then.
    #[must_use]
    pub fn current() -> Topology {
        read::current()
    }

    /// Reads another machine's files below `root`, which stands for `/`: `sys/devices/system/{cpu,node}`, and where they are there
    /// `proc/self/status`, `proc/self/cgroup` and `sys/fs/cgroup`. For tests and tools.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::runtime::Topology;
    ///
    /// let root = std::env::temp_dir().join(format!("machine-{}", std::process::id()));
    /// for (node, cpus) in [("node0", "0-3"), ("node1", "4-7")] {
    ///     let node = root.join("sys/devices/system/node").join(node);
    ///     std::fs::create_dir_all(&node)?;
    ///     std::fs::write(node.join("cpulist"), cpus)?;
    /// }
    /// let machine = Topology::below(&root);
    /// assert_eq!(machine.nodes()[1].cpus(), [4, 5, 6, 7]);
    /// assert_eq!(machine.distance(0, 1), Some(20));
    /// # std::fs::remove_dir_all(root)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn below(root: impl AsRef<Path>) -> Topology {
        read::below(root.as_ref())
    }

    /// The nodes, by number. At least one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this number.
    #[must_use]
    pub fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.number == number)
    }

    /// The CPUs, neighbours beside each other: hyperthreads of a core, cores of a cache, caches of a package, packages of a
    /// node. At least one.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The CPU with this number.
    #[must_use]
    pub fn cpu(&self, number: usize) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.number == number)
    }

    /// How far memory of node `to` is from CPUs of node `from`: 10 is near, 20 takes twice as long. As the firmware says; not
    /// every firmware says it well. `None` if one of them is not here.
    #[must_use]
    pub fn distance(&self, from: u32, to: u32) -> Option<u32> {
        self.node(to)?;
        self.node(from)?.distances.iter().find(|&&(node, _)| node == to).map(|&(_, distance)| distance)
    }

    /// This machine, as if only these of its CPUs could be used. All of them are there.
    pub(crate) fn limited_to(mut self, cpus: &[usize]) -> Topology {
        self.cpus.retain(|cpu| cpus.contains(&cpu.number));
        self.nodes.iter_mut().for_each(|node| node.cpus.retain(|cpu| cpus.contains(cpu)));
        self
    }

    /// Whether threads can be kept on these CPUs, and memory on these nodes.
    pub(crate) fn is_real(&self) -> bool {
        self.real
    }

    /// The nearest node to this one from which memory can be had.
    pub(crate) fn memory_near(&self, node: u32) -> Option<u32> {
        let with_memory = self.nodes.iter().filter(|node| node.memory != Some(0));
        with_memory.min_by_key(|to| (self.distance(node, to.number), to.number)).map(Node::number)
    }
}

impl Node {
    /// The number under which Linux has it.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The numbers of its CPUs, the lowest first. Empty for a node of memory alone.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Bytes of its memory: zero if it has none, or none that the process may use. `None` if that is not known.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }
}

impl Cpu {
    /// The number under which Linux has it.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The number of its node.
    #[must_use]
    pub fn node(&self) -> u32 {
        self.node
    }

    /// The number of its package, which is what stands in a socket.
    #[must_use]
    pub fn package(&self) -> u32 {
        self.package
    }

    /// The lowest number among the CPUs of its core: CPUs with the same one are hyperthreads of one core.
    #[must_use]
    pub fn core(&self) -> usize {
        self.core
    }

    /// Its last-level cache. `None` if that is not known.
    #[must_use]
    pub fn cache(&self) -> Option<Cache> {
        self.cache
    }

    /// Whether it is one of the slower cores of a machine with fast and slow ones (hybrid, big.LITTLE).
    #[must_use]
    pub fn is_efficiency(&self) -> bool {
        self.efficiency
    }
}

impl Cache {
    /// Its level: 3 is the usual last one.
    #[must_use]
    pub fn level(self) -> u32 {
        self.level
    }

    /// Bytes, if known.
    #[must_use]
    pub fn size(self) -> Option<u64> {
        self.size
    }
}
