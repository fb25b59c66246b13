//! From whom a worker steals: rings around it, the nearest first.
//!
//! Rings hold workers by where their CPUs are: hyperthreads of the same core, then CPUs of the same last-level cache, of the same node,
//! and of other nodes, one ring for each distance. A worker starts to look at a ring only after so many searches in a row,
//! over the rings before it, came back empty: the ring's patience. So work goes to near workers while there are any that look for some,
//! and far ones help where there are none. Patience delays a search and forbids nothing: a worker does not sleep while a
//! ring that it has no patience for yet holds something (`Worker::park`), so no wake is lost, and what it waits is a few
//! microseconds. A worker that slept has been patient for long enough.
//!
//! Pure data, made from a [`Topology`] when the runtime starts: simulated as it runs (`benches/steal.rs`).
//!
//! Rejected: victims at random over all workers (every second steal of two nodes is a remote one); a time for patience instead
//! of a count (a clock reading for each search, and nothing to count in a simulation); taking as much at once from
//! far away as from near (in a burst every worker of every node then goes back to the one that spawns).

use crate::topology::{Cpu, Topology};

/// How near a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearness {
    /// The same core.
    Sibling = 0,
    /// The same node and last-level cache.
    Cache = 1,
    /// The same node.
    Node = 2,
    /// Another node.
    Remote = 3,
}

/// Workers that are equally near to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) nearness: Nearness,
    /// How many searches in a row came back empty before this ring is looked at.
    pub(crate) patience: u32,
    /// How many fibers are taken from one of them at once, at most.
    pub(crate) batch: usize,
    /// Their numbers.
    pub(crate) workers: Box<[usize]>,
    /// For other nodes: their places in [`Plan::nodes`].
    pub(crate) nodes: Box<[usize]>,
}

/// More would only move the queue about: what is taken can be stolen again.
const BATCH: usize = 16;
/// From far away it comes for the neighbours as well, who need not go there themselves.
const REMOTE_BATCH: usize = 64;
/// Within a core, and within a cache, a stolen fiber finds what it needs: no reason to wait.
const NEAR: u32 = 0;
/// To another cache of the node: one more look around first. The lines of the closure and of what it uses come from the other
/// cache, for some 100 ns each.
const NODE: u32 = 1;
/// For each step outward to other nodes. A search that comes back empty takes one to three microseconds with the look before sleep, so this is
/// about what it takes to wake a parked worker of the node where the work is.
const REMOTE: u32 = 4;

/// Where a runtime's workers are.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The numbers of the nodes that have workers.
    pub(crate) nodes: Box<[u32]>,
    /// For each worker the place of its node.
    pub(crate) node_of: Box<[usize]>,
    /// For each worker the CPU that it was meant for.
    pub(crate) cpus: Box<[Cpu]>,
    /// For each node all nodes, the nearest first: itself.
    pub(crate) outward: Box<[Box<[usize]>]>,
    /// For each worker its rings, the nearest first. None is empty.
    pub(crate) rings: Box<[Box<[Ring]>]>,
}

impl Plan {
    /// Spreads workers over a machine: as many on each node as it has CPUs' worth of, and not two on a core while cores are left.
    pub(crate) fn new(topology: &Topology, workers: usize) -> Plan {
        let all = topology.cpus();
        let cpus: Box<[Cpu]> = (0..workers).map(|worker| all[worker * all.len() / workers].clone()).collect();
        let mut nodes: Vec<u32> = cpus.iter().map(Cpu::node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let place = |number: u32| nodes.iter().position(|&node| node == number).unwrap_or(0);
        let node_of: Box<[usize]> = cpus.iter().map(|cpu| place(cpu.node())).collect();
        let distance = |from: usize, to: usize| match from == to {
            true => 0,
            false => topology.distance(nodes[from], nodes[to]).unwrap_or(u32::MAX),
        };
        let outward = |from: usize| {
            let mut others: Box<[usize]> = (0..nodes.len()).collect();
            // Nodes that are equally far are begun with by everybody elsewhere.
            others.sort_by_key(|&to| (to != from, distance(from, to), (to + nodes.len() - from) % nodes.len()));
            others
        };
        let outward: Box<[_]> = (0..nodes.len()).map(outward).collect();
        let rings =
            (0..workers).map(|worker| rings(worker, &cpus, &node_of, &outward[node_of[worker]], &distance)).collect();
        Plan { node_of, cpus, outward, rings, nodes: nodes.into() }
    }
}

/// The rings of a search, after so many in a row that came back empty.
pub(crate) fn due(rings: &[Ring], misses: u32) -> impl Iterator<Item = &Ring> {
    rings.iter().take_while(move |ring| ring.patience <= misses)
}

fn rings(
    worker: usize,
    cpus: &[Cpu],
    node_of: &[usize],
    outward: &[usize],
    distance: &impl Fn(usize, usize) -> u32,
) -> Box<[Ring]> {
    let own = node_of[worker];
    let nearness = |other: usize| match (&cpus[worker], &cpus[other]) {
        _ if node_of[other] != own => Nearness::Remote,
        (a, b) if a.core() == b.core() => Nearness::Sibling,
        (a, b) if a.cache().is_some() && a.cache() == b.cache() => Nearness::Cache,
        _ => Nearness::Node,
    };
    let near = [(Nearness::Sibling, NEAR), (Nearness::Cache, NEAR), (Nearness::Node, NODE)];
    let mut rings: Vec<Ring> = near
        .into_iter()
        .map(|(kind, patience)| Ring {
            nearness: kind,
            patience,
            batch: BATCH,
            workers: (0..cpus.len()).filter(|&other| other != worker && nearness(other) == kind).collect(),
            nodes: Box::default(),
        })
        .filter(|ring| !ring.workers.is_empty())
        .collect();
    // Where nothing is nearer there is nothing to be patient for.
    if let [first, ..] = &mut rings[..] {
        first.patience = 0;
    }
    let others: Vec<usize> = outward.iter().copied().filter(|&node| node != own).collect();
    let steps = others.chunk_by(|&a, &b| distance(own, a) == distance(own, b));
    rings.extend((1..).zip(steps).map(|(step, nodes)| Ring {
        nearness: Nearness::Remote,
        patience: step * REMOTE,
        batch: REMOTE_BATCH,
        workers: (0..cpus.len()).filter(|&other| nodes.contains(&node_of[other])).collect(),
        nodes: nodes.into(),
    }));
    rings.into()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topology::sysfs::Machine;

    fn plan(description: &str, workers: usize) -> Plan {
        Plan::new(&Topology::below(Machine::new(description).root()), workers)
    }

    /// How many workers each node has.
    fn sizes(plan: &Plan) -> Vec<usize> {
        (0..plan.nodes.len()).map(|node| plan.node_of.iter().filter(|&&of| of == node).count()).collect()
    }

    fn shape(rings: &[Ring]) -> Vec<(Nearness, u32, Vec<usize>)> {
        rings.iter().map(|ring| (ring.nearness, ring.patience, ring.workers.to_vec())).collect()
    }

    #[test]
    fn rings_go_outward() {
        let plan = plan(include_str!("../topology/tests/two_sockets.txt"), 16);
        assert_eq!((&plan.nodes[..], sizes(&plan)), (&[0, 1][..], vec![8, 8]));
        // Workers 0 and 1 are on the hyperthreads 0 and 8 of the first core.
        assert_eq!((plan.cpus[0].number(), plan.cpus[1].number()), (0, 8));
        assert_eq!(
            shape(&plan.rings[3]),
            [
                (Nearness::Sibling, 0, vec![2]),
                (Nearness::Cache, 0, vec![0, 1, 4, 5, 6, 7]),
                (Nearness::Remote, REMOTE, (8..16).collect()),
            ]
        );
        assert_eq!(plan.rings[3][2].nodes[..], [1]);
        assert_eq!(plan.rings[12][2].nodes[..], [0]);
    }

    #[test]
    fn farther_nodes_need_more_patience() {
        let plan = plan(include_str!("../topology/tests/sub_numa.txt"), 8);
        assert_eq!(plan.outward[2][..], [2, 3, 0, 1]);
        assert_eq!(
            shape(&plan.rings[4]),
            [
                (Nearness::Cache, 0, vec![5]),
                (Nearness::Remote, REMOTE, vec![6, 7]),
                (Nearness::Remote, 2 * REMOTE, vec![0, 1, 2, 3]),
            ]
        );
        let patience = |misses| due(&plan.rings[4], misses).count();
        assert_eq!([0, REMOTE - 1, REMOTE, 2 * REMOTE, u32::MAX].map(patience), [1, 1, 2, 3, 3]);
    }

    #[test]
    fn few_workers_get_cores_of_their_own() {
        let two_sockets = include_str!("../topology/tests/two_sockets.txt");
        let plan4 = plan(two_sockets, 4);
        assert_eq!(plan4.cpus.iter().map(Cpu::core).collect::<Vec<_>>(), [0, 2, 4, 6]);
        assert_eq!(sizes(&plan4), [2, 2]);
        let plan1 = plan(two_sockets, 1);
        assert_eq!((&plan1.nodes[..], plan1.rings[0].len()), (&[0][..], 0), "a node without workers is none");
    }

    #[test]
    fn more_workers_than_cpus_share_them() {
        let plan = plan("cpu 0 core=0\ncpu 1 core=1\nnode 0 cpus=0\nnode 1 cpus=1", 5);
        assert_eq!(plan.node_of[..], [0, 0, 0, 1, 1]);
        assert_eq!(shape(&plan.rings[3]), [(Nearness::Sibling, 0, vec![4]), (Nearness::Remote, REMOTE, vec![0, 1, 2])]);
    }

    #[test]
    fn without_known_caches_the_node_is_the_first_ring() {
        let plan = plan(include_str!("../topology/tests/big_little.txt"), 4);
        assert_eq!(shape(&plan.rings[0]), [(Nearness::Node, 0, vec![1, 2, 3])]);
    }

    #[test]
    fn every_other_worker_is_in_one_ring() {
        for nodes in [1, 2, 3, 8] {
            let machine = Machine::of_nodes(nodes, 4);
            for workers in [1, 2, 5, nodes * 4, nodes * 9] {
                let plan = Plan::new(&Topology::below(machine.root()), workers);
                for worker in 0..workers {
                    let mut seen: Vec<usize> =
                        plan.rings[worker].iter().flat_map(|ring| ring.workers.to_vec()).collect();
                    seen.push(worker);
                    seen.sort_unstable();
                    assert!(seen.into_iter().eq(0..workers), "{nodes} nodes, worker {worker} of {workers}");
                    assert!(plan.rings[worker].is_sorted_by_key(|ring| ring.patience));
                }
            }
        }
    }
}
