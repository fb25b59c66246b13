//! Machines as text, written out as the files in which Linux shows them.
//!
//! One thing on a line, the rest of it words of the form `what=value`; `#` begins a remark.
//!
//! - `cpu N package=P core=LIST cache=LEVEL:SIZE:LIST capacity=C`, or `cpu N offline`: the core's CPUs and the last-level cache's.
//! - `node N cpus=LIST distance=D,D memory=KIB`.
//! - `file PATH TEXT`: any other file; `\n` ends a line of it.
//! - `missing PATH`: removes a file or a folder of those above.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/devices/system/node";

/// A root folder with the files of a machine, removed when dropped.
pub(crate) struct Machine(PathBuf);

impl Machine {
    /// Writes the files of a machine.
    pub(crate) fn new(description: &str) -> Machine {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let machine = Machine(std::env::temp_dir().join(format!("fiber-machine-{}-{count}", std::process::id())));
        let (mut cpus, mut nodes) = (Vec::new(), Vec::new());
        for line in description.lines().map(|line| line.split('#').next().unwrap().trim()) {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            match what {
                "" => (),
                "cpu" => cpus.extend(machine.cpu(rest)),
                "node" => nodes.push(machine.node(rest)),
                "file" => {
                    let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
                    machine.write(path, &text.replace("\\n", "\n"));
                }
                "missing" => {
                    let path = machine.0.join(rest);
                    let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                    removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                }
                _ => panic!("no such thing: {line}"),
            }
            // So that `missing` can take them away again.
            if what == "cpu" {
                machine.write(&format!("{CPUS}/online"), &cpus.join(","));
            }
            if what == "node" {
                machine.write(&format!("{NODES}/online"), &nodes.join(","));
            }
        }
        machine
    }

    /// A machine with so many nodes of so many single-threaded cores, each node with one cache; twenty between nodes, and ten more
    /// for each further one.
    pub(crate) fn of_nodes(nodes: usize, cpus: usize) -> Machine {
        let mut text = String::new();
        for node in 0..nodes {
            let (first, last) = (node * cpus, (node + 1) * cpus - 1);
            for cpu in first..=last {
                writeln!(text, "cpu {cpu} package={node} core={cpu} cache=3:32768K:{first}-{last}").unwrap();
            }
            let distances: Vec<String> = (0..nodes).map(|to| (10 + 10 * node.abs_diff(to)).to_string()).collect();
            writeln!(text, "node {node} cpus={first}-{last} distance={} memory=4194304", distances.join(",")).unwrap();
        }
        Machine::new(&text)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The number of the CPU, if it is online.
    fn cpu(&self, rest: &str) -> Option<String> {
        let (number, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let folder = format!("{CPUS}/cpu{number}");
        if words.trim() == "offline" {
            self.write(&format!("{folder}/online"), "0");
            return None;
        }
        for (what, value) in pairs(words) {
            match what {
                "package" => self.write(&format!("{folder}/topology/physical_package_id"), value),
                "core" => self.write(&format!("{folder}/topology/core_cpus_list"), value),
                "capacity" => self.write(&format!("{folder}/cpu_capacity"), value),
                "cache" => {
                    let [level, size, list] = value.split(':').collect::<Vec<_>>().try_into().unwrap();
                    let indices = [
                        ("1", "Data", "32K", number),
                        ("1", "Instruction", "32K", number),
                        (level, "Unified", size, list),
                    ];
                    for (index, (level, kind, size, list)) in indices.into_iter().enumerate() {
                        let folder = format!("{folder}/cache/index{index}");
                        self.write(&format!("{folder}/level"), level);
                        self.write(&format!("{folder}/type"), kind);
                        self.write(&format!("{folder}/size"), size);
                        self.write(&format!("{folder}/shared_cpu_list"), list);
                    }
                }
                _ => panic!("a CPU has no {what}"),
            }
        }
        fs::create_dir_all(self.0.join(&folder)).unwrap();
        Some(number.to_owned())
    }

    fn node(&self, rest: &str) -> String {
        let (number, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let folder = format!("{NODES}/node{number}");
        fs::create_dir_all(self.0.join(&folder)).unwrap();
        for (what, value) in pairs(words) {
            match what {
                "cpus" => self.write(&format!("{folder}/cpulist"), value),
                "distance" => self.write(&format!("{folder}/distance"), &value.replace(',', " ")),
                "memory" => self.write(&format!("{folder}/meminfo"), &format!("Node {number} MemTotal: {value} kB")),
                _ => panic!("a node has no {what}"),
            }
        }
        number.to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
}

fn pairs(words: &str) -> impl Iterator<Item = (&str, &str)> {
    words.split_whitespace().map(|word| word.split_once('=').unwrap_or_else(|| panic!("expected what=value: {word}")))
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
