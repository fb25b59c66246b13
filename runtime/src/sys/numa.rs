//! The NUMA nodes that the process may use, as sysfs shows them.

use std::fs;
use std::mem;
use std::path::Path;

/// A node, with those of its processors that the process may run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) cpus: Vec<usize>,
}

/// The nodes on which the calling thread may run; empty if there is but one, or none can be seen.
pub(crate) fn nodes() -> Vec<Node> {
    let allowed = allowed_cpus();
    nodes_below(Path::new("/sys/devices/system/node"), |cpu| allowed.contains(&cpu))
}

/// Which node each of `workers` workers belongs to: as many on each as it has processors' worth of.
pub(crate) fn assign(nodes: &[Node], workers: usize) -> Vec<&Node> {
    let cpus: usize = nodes.iter().map(|node| node.cpus.len()).sum();
    if cpus == 0 {
        return Vec::new();
    }
    let by_cpu: Vec<&Node> = nodes.iter().flat_map(|node| node.cpus.iter().map(move |_| node)).collect();
    (0..workers).map(|worker| by_cpu[worker * cpus / workers]).collect()
}

/// Keeps the calling thread on these processors. A refusal costs locality and nothing else.
pub(crate) fn stay_on(cpus: &[usize]) {
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set is valid for the read and as long as said.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

fn allowed_cpus() -> Vec<usize> {
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid for the write and as long as said.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0 {
        return Vec::new();
    }
    // SAFETY: the numbers are below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

fn nodes_below(root: &Path, allowed: impl Fn(usize) -> bool) -> Vec<Node> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut nodes: Vec<Node> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            let cpus = parse_list(&fs::read_to_string(entry.path().join("cpulist")).ok()?)?;
            Some(Node { number, cpus: cpus.into_iter().filter(|&cpu| allowed(cpu)).collect() })
        })
        .filter(|node| !node.cpus.is_empty())
        .collect();
    nodes.sort_by_key(|node| node.number);
    if nodes.len() < 2 {
        nodes.clear();
    }
    nodes
}

/// A list as the kernel writes it: `0-3,8,10-11`.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A tree as sysfs has it, removed when dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, nodes: &[(&str, &str)]) -> Tree {
            let root = std::env::temp_dir().join(format!("fiber-numa-{name}-{}", std::process::id()));
            for (node, cpus) in nodes {
                fs::create_dir_all(root.join(node)).unwrap();
                fs::write(root.join(node).join("cpulist"), cpus).unwrap();
            }
            Tree(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn lists_of_processors() {
        assert_eq!(parse_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_list("\n"), Some(vec![]));
        assert_eq!(parse_list("0-x"), None);
    }

    #[test]
    fn nodes_without_allowed_processors_do_not_count() {
        let tree = Tree::new("memory", &[("node0", "0-1"), ("node2", "2-3"), ("node3", ""), ("power", "0")]);
        let two = nodes_below(&tree.0, |_| true);
        assert_eq!(two, [Node { number: 0, cpus: vec![0, 1] }, Node { number: 2, cpus: vec![2, 3] }]);
        assert_eq!(nodes_below(&tree.0, |cpu| cpu < 2), [], "one node is none");
        assert_eq!(nodes_below(Path::new("/nonexistent"), |_| true), []);
    }

    #[test]
    fn workers_are_spread_by_processors() {
        let nodes = [Node { number: 0, cpus: vec![0, 1, 2, 3] }, Node { number: 1, cpus: vec![4, 5] }];
        let numbers = |workers| assign(&nodes, workers).iter().map(|node| node.number).collect::<Vec<_>>();
        assert_eq!(numbers(6), [0, 0, 0, 0, 1, 1]);
        assert_eq!(numbers(3), [0, 0, 1]);
        assert_eq!(numbers(12).iter().filter(|&&number| number == 1).count(), 4);
        assert!(assign(&[], 4).is_empty());
    }
}
