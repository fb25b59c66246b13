//! Machines as their files show them.

use super::sysfs::Machine;
use super::{Cpu, Node, Topology};

fn read(description: &str) -> Topology {
    Topology::below(Machine::new(description).root())
}

fn numbers(topology: &Topology) -> Vec<usize> {
    topology.cpus().iter().map(Cpu::number).collect()
}

fn node_numbers(topology: &Topology) -> Vec<u32> {
    topology.nodes().iter().map(Node::number).collect()
}

#[test]
fn two_sockets_with_hyperthreads() {
    let machine = read(include_str!("two_sockets.txt"));
    assert_eq!(numbers(&machine), [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]);
    assert_eq!(machine.nodes()[1].cpus(), [4, 5, 6, 7, 12, 13, 14, 15]);
    assert_eq!(machine.nodes()[1].memory(), Some(64 << 30));
    assert_eq!((machine.distance(0, 0), machine.distance(0, 1), machine.distance(0, 2)), (Some(10), Some(21), None));
    let cpu = |number| machine.cpu(number).unwrap();
    assert_eq!((cpu(9).core(), cpu(9).package(), cpu(9).node()), (1, 0, 0));
    assert_eq!(cpu(12).cache(), cpu(7).cache());
    assert_ne!(cpu(12).cache(), cpu(0).cache());
    assert_eq!(cpu(12).cache().map(|cache| (cache.level(), cache.size())), Some((3, Some(32 << 20))));
    assert_eq!(
        machine.to_string(),
        "2 nodes, 16 CPUs
├─ node 0, 64 GiB; distance 21 to node 1
│  └─ package 0
│     └─ L3 32 MiB: CPUs 0+8 1+9 2+10 3+11
└─ node 1, 64 GiB; distance 21 to node 0
   └─ package 1
      └─ L3 32 MiB: CPUs 4+12 5+13 6+14 7+15
"
    );
}

#[test]
fn packages_that_are_split_into_nodes() {
    let machine = read(include_str!("sub_numa.txt"));
    assert_eq!(node_numbers(&machine), [0, 1, 2, 3]);
    assert_eq!(machine.distance(2, 3), Some(12));
    assert_eq!(machine.distance(2, 1), Some(21));
    let (second, third) = (machine.cpu(1).unwrap(), machine.cpu(2).unwrap());
    assert_eq!(second.cache(), third.cache(), "the cache spans the nodes of its package");
    assert_ne!(second.node(), third.node());
}

#[test]
fn fast_and_slow_cores() {
    let machine = read(include_str!("hybrid.txt"));
    let slow = |machine: &Topology| -> Vec<usize> {
        machine.cpus().iter().filter(|cpu| cpu.is_efficiency()).map(Cpu::number).collect()
    };
    assert_eq!(slow(&machine), [4, 5, 6, 7]);
    assert_eq!(
        machine.to_string(),
        "1 node, 8 CPUs
└─ node 0, 15.5 GiB
   └─ package 0
      ├─ L3 12 MiB: CPUs 0+1 2+3
      └─ L3 12 MiB: efficiency CPUs 4-7
"
    );
    let machine = read(include_str!("big_little.txt"));
    assert_eq!(slow(&machine), [0, 1]);
    assert_eq!(machine.cpus()[0].cache(), None);
    assert_eq!(machine.nodes().len(), 1);
}

#[test]
fn offline_cpus_do_not_count() {
    let machine = read(include_str!("offline.txt"));
    assert_eq!(numbers(&machine), [0, 1]);
    assert_eq!(machine.nodes()[0].cpus(), [0, 1]);
}

#[test]
fn what_the_process_may_not_use_is_not_there() {
    let text = include_str!("limited.txt");
    let machine = read(text);
    assert_eq!(numbers(&machine), [4, 5], "the nearest group that says something is believed");
    assert_eq!(node_numbers(&machine), [1], "no CPUs and no memory of the others");
    assert_eq!(machine.distance(1, 1), Some(10));

    let status = "file proc/self/status Name:\\tx\\nCpus_allowed_list:\\t3-4\\nMems_allowed_list:\\t0-1,4\\n";
    let machine = read(&format!("{text}\n{}", status.replace("\\t", "\t")));
    assert_eq!(numbers(&machine), [4], "both masks hold");
    assert_eq!(machine.nodes()[0].memory(), Some(8 << 30));

    let machine = read(&format!("{text}\nfile sys/fs/cgroup/kubepods/pod7/cpuset.cpus.effective"));
    assert_eq!(machine.cpus().len(), 8, "an empty list says nothing");
    assert_eq!(node_numbers(&machine), [0, 1]);
    assert_eq!(machine.nodes()[0].memory(), Some(0), "memory that may not be used is none");

    let outside = text.replace("/kubepods/pod7/app", "/../../kubepods/pod7");
    assert_eq!(numbers(&read(&outside)), [4, 5]);
}

#[test]
fn memory_without_cpus_and_cpus_without_memory() {
    let machine = read(include_str!("memory.txt"));
    assert_eq!(node_numbers(&machine), [0, 2, 5]);
    assert_eq!(machine.nodes()[2].cpus(), [0; 0]);
    assert_eq!(machine.memory_near(0), Some(0));
    assert_eq!(machine.memory_near(2), Some(5), "the nearest that has some");
    assert!(machine.to_string().contains("node 2, no memory;"), "{machine}");
    assert!(machine.to_string().contains("node 5, 8 GiB, no CPUs;"), "{machine}");
}

#[test]
fn missing_files_make_the_picture_coarser() {
    let text = include_str!("two_sockets.txt");
    let without = |paths: &[&str]| {
        let missing: String = paths.iter().map(|path| format!("missing sys/devices/system/{path}\n")).collect();
        read(&format!("{text}\n{missing}"))
    };
    let machine = without(&["node"]);
    assert_eq!((machine.nodes().len(), machine.nodes()[0].cpus().len()), (1, 16));
    assert_eq!(machine.cpus()[0].package(), 0);
    assert_eq!(machine.cpus()[15].package(), 1);

    let machine = without(&["node/online", "node/node1/distance", "node/node1/meminfo"]);
    assert_eq!((machine.distance(1, 0), machine.distance(1, 1)), (Some(20), Some(10)));
    assert_eq!(machine.nodes()[1].memory(), None);

    let machine = without(&["node/node1/cpulist"]);
    assert_eq!(machine.nodes()[0].cpus().len(), 16, "CPUs that no node claims are the first one's");

    let machine = without(&["cpu/cpu0/cache", "cpu/cpu0/topology"]);
    let first = machine.cpu(0).unwrap();
    assert_eq!((first.cache(), first.core(), first.package()), (None, 0, 0));

    assert_eq!(without(&["cpu/online"]).cpus().len(), 16);
    assert_eq!(without(&["cpu"]).cpus().len(), 16, "the nodes tell of them");
    let machine = without(&["cpu", "node"]);
    assert_eq!((numbers(&machine), machine.nodes().len()), (vec![0], 1));
}

#[test]
fn nonsense_does_no_harm() {
    let machine = read(
        "cpu 0 package=-1 core=7-3 cache=x:y:0
         node 0 cpus=zero distance=ten memory=much
         file sys/devices/system/cpu/online 9-0
         file proc/self/cgroup 0::/../../..
         file proc/self/status Cpus_allowed_list:",
    );
    assert_eq!((numbers(&machine), machine.nodes()[0].memory()), (vec![0], None));
    assert_eq!((machine.cpus()[0].core(), machine.distance(0, 0)), (0, Some(10)));
}

#[test]
fn one_cpu() {
    let machine = read("cpu 0 package=0 core=0 cache=2:512K:0\nnode 0 cpus=0 distance=10 memory=1048576");
    assert_eq!(machine.to_string(), "1 node, 1 CPU\n└─ node 0, 1 GiB\n   └─ package 0\n      └─ L2 512 KiB: CPUs 0\n");
}

#[test]
fn this_machine() {
    let machine = Topology::current();
    assert_eq!(machine, Topology { real: true, ..Topology::below("/") });
    let mut cpus = numbers(&machine);
    cpus.sort_unstable();
    assert_eq!(cpus, crate::sys::affinity::allowed());
    let mut of_nodes: Vec<usize> = machine.nodes().iter().flat_map(|node| node.cpus().iter().copied()).collect();
    of_nodes.sort_unstable();
    assert_eq!(of_nodes, cpus, "each is in one node");
}

#[test]
fn what_changes_is_read_anew() {
    std::thread::spawn(|| {
        let before = Topology::current();
        assert_eq!(before, Topology::current());
        let last = *crate::sys::affinity::allowed().last().unwrap();
        crate::sys::affinity::stay_on(&[last]);
        let restricted = Topology::current();
        assert_eq!(numbers(&restricted), [last]);
        assert!(restricted.is_real());
        crate::sys::affinity::stay_on(&numbers(&before));
        assert_eq!(Topology::current(), before);
    })
    .join()
    .unwrap();
}
