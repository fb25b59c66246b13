//! A topology as text.

use super::{Cpu, LOCAL_DISTANCE, Topology, list};
use std::fmt;

impl fmt::Display for Topology {
    /// A tree: nodes with their memory and distances, packages, caches, and the CPUs, those of one core joined by `+`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        writeln!(f, "{}, {}", count(self.nodes.len(), "node"), count(self.cpus.len(), "CPU"))?;
        for (place, node) in self.nodes.iter().enumerate() {
            let last = place + 1 == self.nodes.len();
            write!(f, "{} node {}", branch(last), node.number)?;
            match node.memory {
                Some(0) => write!(f, ", no memory")?,
                Some(bytes) => write!(f, ", {}", Size(bytes))?,
                None => (),
            }
            if node.cpus.is_empty() {
                write!(f, ", no CPUs")?;
            }
            let far = node.distances.iter().filter(|&&(to, _)| to != node.number && self.node(to).is_some());
            for (place, (to, distance)) in far.enumerate() {
                write!(f, "{}{distance} to node {to}", if place == 0 { "; distance " } else { ", " })?;
            }
            if let Some(own) = self.distance(node.number, node.number).filter(|&own| own != LOCAL_DISTANCE) {
                write!(f, ", {own} to itself")?;
            }
            writeln!(f)?;
            let cpus: Vec<&Cpu> = self.cpus.iter().filter(|cpu| cpu.node == node.number).collect();
            packages(f, &cpus, if last { "   " } else { "│  " })?;
        }
        Ok(())
    }
}

fn branch(last: bool) -> &'static str {
    if last { "└─" } else { "├─" }
}

fn packages(f: &mut fmt::Formatter<'_>, cpus: &[&Cpu], indent: &str) -> fmt::Result {
    let groups: Vec<&[&Cpu]> = cpus.chunk_by(|a, b| a.package == b.package).collect();
    for (place, group) in groups.iter().enumerate() {
        let last = place + 1 == groups.len();
        writeln!(f, "{indent}{} package {}", branch(last), group[0].package)?;
        caches(f, group, &format!("{indent}{}", if last { "   " } else { "│  " }))?;
    }
    Ok(())
}

fn caches(f: &mut fmt::Formatter<'_>, cpus: &[&Cpu], indent: &str) -> fmt::Result {
    // Cores of a kind apart: they differ in how many hyperthreads they have.
    let groups: Vec<&[&Cpu]> = cpus.chunk_by(|a, b| a.cache == b.cache && a.efficiency == b.efficiency).collect();
    for (place, group) in groups.iter().enumerate() {
        write!(f, "{indent}{} ", branch(place + 1 == groups.len()))?;
        if let Some(cache) = group[0].cache {
            write!(f, "L{}", cache.level)?;
            if let Some(bytes) = cache.size {
                write!(f, " {}", Size(bytes))?;
            }
            write!(f, ": ")?;
        }
        if group[0].efficiency {
            write!(f, "efficiency ")?;
        }
        write!(f, "CPUs")?;
        let cores: Vec<&[&Cpu]> = group.chunk_by(|a, b| a.core == b.core).collect();
        if cores.iter().all(|core| core.len() == 1) {
            let mut numbers: Vec<usize> = group.iter().map(|cpu| cpu.number).collect();
            numbers.sort_unstable();
            writeln!(f, " {}", list::format(&numbers))?;
            continue;
        }
        for core in cores {
            let threads: Vec<String> = core.iter().map(|cpu| cpu.number.to_string()).collect();
            write!(f, " {}", threads.join("+"))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// A number of bytes, in the largest unit that leaves no more than one digit behind the point.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut size = self.0 as f64;
        let mut unit = 0;
        while size >= 1024.0 && unit + 1 < units.len() {
            size /= 1024.0;
            unit += 1;
        }
        match size.fract() < 0.05 {
            true => write!(f, "{size:.0} {}", units[unit]),
            false => write!(f, "{size:.1} {}", units[unit]),
        }
    }
}
