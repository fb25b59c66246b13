//! The queues of a runtime's NUMA nodes, and the way of a fresh fiber to the one where it belongs.
//!
//! Each node has two injectors: what anybody may take, spawned by threads that ran on the node; and what only its own workers may
//! take ("bound"). What a worker spawns for its own node goes into a deque of its own, of which the node's other workers steal.
//! A runtime on one node binds nothing: everything is for anybody, and the bound queues stay empty.

use super::injector::{Injector, Queue};
use super::rings::Plan;
use crate::fiber::record::FiberRef;
use crate::sys::affinity;
use crate::topology::{Node, Topology};
use crate::{Numa, Priority};
use std::fmt;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The nodes of one runtime: those with workers.
pub(crate) struct Nodes {
    pub(crate) plan: Plan,
    pub(crate) topology: Topology,
    queues: Box<[Queues]>,
    /// Whose turn it is of fibers that are spread.
    turn: AtomicUsize,
}

/// What is not spawned into a worker's own queues.
struct Queues {
    anybody: Injector,
    bound: Injector,
}

/// Where a fresh fiber goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Near its spawner, to be taken by any worker.
    Anywhere,
    /// To workers of the node in this place alone.
    Node(usize),
}

/// A node was asked for on which the runtime has no workers.
#[derive(Debug)]
pub(crate) struct UnknownNode {
    asked: u32,
    there: Box<[u32]>,
    /// Nodes of the machine that got no worker.
    without: Box<[u32]>,
}

impl Nodes {
    pub(crate) fn new(topology: Topology, plan: Plan) -> Nodes {
        let queues = || Queues { anybody: Injector::new(), bound: Injector::new() };
        Nodes { queues: plan.nodes.iter().map(|_| queues()).collect(), turn: AtomicUsize::new(0), plan, topology }
    }

    pub(crate) fn count(&self) -> usize {
        self.queues.len()
    }

    /// Where a fiber with this property goes that is spawned on the node in place `here`.
    pub(crate) fn place(&self, numa: Numa, here: impl FnOnce() -> usize) -> Result<Place, UnknownNode> {
        let place = match numa {
            Numa::Any => return Ok(Place::Anywhere),
            Numa::Node(number) => match self.plan.nodes.iter().position(|&node| node == number) {
                Some(place) => place,
                None => return Err(self.unknown(number)),
            },
            _ if self.count() == 1 => return Ok(Place::Anywhere),
            Numa::Local => here(),
            Numa::Spread => self.turn.fetch_add(1, Relaxed) % self.count(),
        };
        Ok(if self.count() == 1 { Place::Anywhere } else { Place::Node(place) })
    }

    #[cold]
    fn unknown(&self, asked: u32) -> UnknownNode {
        let there = self.plan.nodes.clone();
        let others = self.topology.nodes().iter().map(Node::number).filter(|node| !there.contains(node));
        UnknownNode { asked, without: others.collect(), there }
    }

    /// The place of the node with workers that is nearest to the calling thread.
    pub(crate) fn here(&self) -> usize {
        if self.count() == 1 {
            return 0;
        }
        let here = affinity::current().and_then(|cpu| self.topology.cpu(cpu)).map(|cpu| cpu.node());
        let distance = |&place: &usize| here.and_then(|here| self.topology.distance(here, self.plan.nodes[place]));
        (0..self.count()).min_by_key(distance).unwrap_or(0)
    }

    /// Where a thread puts a fiber, or a worker one for another node.
    pub(crate) fn injector(&self, place: Place, here: usize) -> &Injector {
        match place {
            Place::Anywhere => &self.queues[here].anybody,
            Place::Node(node) => &self.queues[node].bound,
        }
    }

    /// Counts a fiber that a thread has spawned, and that will come in its own time; `false` if the runtime has ended.
    pub(crate) fn admit(&self, node: usize) -> bool {
        self.queues[node].anybody.admit()
    }

    /// The fiber that is due first of those that wait for any worker of a node, or for one of this node alone: both get their turn.
    pub(crate) fn pop(&self, node: usize, bound_first: bool) -> Option<FiberRef> {
        let Queues { anybody, bound } = &self.queues[node];
        let (first, second) = if bound_first { (bound, anybody) } else { (anybody, bound) };
        first.pop().or_else(|| second.pop())
    }

    /// The first fiber of this priority that a worker of this node may take.
    pub(crate) fn pop_of(&self, node: usize, priority: Priority) -> Option<FiberRef> {
        let Queues { anybody, bound } = &self.queues[node];
        // Only one may have any, as of late.
        let bound_first =
            bound.first_due(priority).is_some_and(|due| anybody.first_due(priority).is_none_or(|other| due < other));
        let (first, second) = if bound_first { (bound, anybody) } else { (anybody, bound) };
        first.pop_of(priority).or_else(|| second.pop_of(priority))
    }

    /// When that fiber is due, as of late.
    pub(crate) fn first_due(&self, node: usize, priority: Priority) -> Option<u64> {
        let Queues { anybody, bound } = &self.queues[node];
        [anybody, bound].into_iter().filter_map(|injector| injector.first_due(priority)).min()
    }

    /// Whether there is any such fiber that is not normal, as of late.
    #[inline]
    pub(crate) fn has_others(&self, node: usize) -> bool {
        let Queues { anybody, bound } = &self.queues[node];
        anybody.has_others() || bound.has_others()
    }

    /// The fiber of another node that is due first and that anybody may take.
    pub(crate) fn pop_elsewhere(&self, node: usize) -> Option<FiberRef> {
        self.queues[node].anybody.pop()
    }

    /// Whether a thread has spawned something that any worker may take.
    pub(crate) fn has_for_anybody(&self) -> bool {
        self.queues.iter().any(|queues| !queues.anybody.is_empty())
    }

    pub(crate) fn has_bound(&self, node: usize) -> bool {
        !self.queues[node].bound.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.injectors().map(Injector::len).sum()
    }

    /// How many fibers threads have spawned.
    pub(crate) fn pushed(&self) -> u64 {
        self.injectors().map(|injector| injector.lock().pushed()).sum()
    }

    /// Stops everything that changes the queues while the guards live.
    pub(crate) fn lock(&self) -> Vec<MutexGuard<'_, Queue>> {
        self.injectors().map(Injector::lock).collect()
    }

    fn injectors(&self) -> impl Iterator<Item = &Injector> {
        self.queues.iter().flat_map(|queues| [&queues.anybody, &queues.bound])
    }
}

impl fmt::Display for UnknownNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[u32]| nodes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "NUMA node {} was asked for, and the runtime has workers on node {}", self.asked, list(&self.there))?;
        if self.without.contains(&self.asked) {
            write!(
                f,
                " only; the others have no CPU that this process may use, or ask for more workers (FIBER_WORKERS)"
            )?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topology::sysfs::Machine;

    fn nodes(count: usize, workers: usize) -> Nodes {
        let topology = Topology::below(Machine::of_nodes(count, 2).root());
        let plan = Plan::new(&topology, workers);
        Nodes::new(topology, plan)
    }

    #[test]
    fn places() {
        let nodes = nodes(3, 6);
        let place = |numa| nodes.place(numa, || 2).unwrap();
        assert_eq!(place(Numa::Any), Place::Anywhere);
        assert_eq!(place(Numa::Local), Place::Node(2));
        assert_eq!(place(Numa::Node(1)), Place::Node(1));
        assert_eq!([(); 4].map(|()| place(Numa::Spread)), [0, 1, 2, 0].map(Place::Node));
    }

    #[test]
    fn on_one_node_all_are_alike() {
        let nodes = nodes(1, 2);
        for numa in [Numa::Any, Numa::Local, Numa::Spread, Numa::Node(0)] {
            assert_eq!(nodes.place(numa, || unreachable!()).unwrap(), Place::Anywhere);
        }
    }

    #[test]
    fn unknown_nodes_are_named() {
        let text = |nodes: &Nodes, node| nodes.place(Numa::Node(node), || 0).unwrap_err().to_string();
        assert_eq!(text(&nodes(2, 4), 7), "NUMA node 7 was asked for, and the runtime has workers on node 0, 1");
        let few = text(&nodes(2, 1), 1);
        assert!(few.contains("workers on node 0 only") && few.contains("FIBER_WORKERS"), "{few}");
    }
}
