//! Where fibers and their stacks are on the machine that runs this, asked of the kernel. On one node there is little to be wrong; the CI
//! step `numa` runs it in virtual machines with several.

mod common;

use common::watched;
use fiber::Numa;
use fiber::runtime::{Builder, Handle, Topology, current_worker};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Where the calling fiber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The node to which its worker belongs.
    worker: u32,
    /// The node of the CPU that it runs on.
    cpu: u32,
    /// The node of the memory that its stack is in.
    stack: u32,
}

impl Place {
    fn here() -> Place {
        let handle = Handle::try_current().unwrap();
        let topology = handle.topology();
        // SAFETY: the call takes nothing and writes nothing.
        let cpu = unsafe { libc::sched_getcpu() };
        let on_stack = 0u8;
        let worker = handle.worker_metrics()[current_worker().unwrap()].node;
        if topology.nodes().len() == 1 {
            return Place { worker, cpu: worker, stack: worker };
        }
        let cpu = topology.cpu(cpu as usize).expect("a CPU that may be used").node();
        Place { worker, cpu, stack: node_of(&on_stack) }
    }
}

/// The node on which the kernel has this byte.
fn node_of(byte: &u8) -> u32 {
    let mut node: libc::c_int = -1;
    // SAFETY: the kernel writes the one number, and reads nothing at the address.
    let result = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut node,
            ptr::null_mut::<libc::c_ulong>(),
            0usize,
            ptr::from_ref(byte),
            // `MPOL_F_NODE | MPOL_F_ADDR`
            3usize,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    node as u32
}

fn at(numa: Numa) -> fiber::Builder {
    fiber::Builder::new().numa(numa)
}

fn nodes() -> Vec<u32> {
    let metrics = Handle::try_current().unwrap().worker_metrics();
    let mut nodes: Vec<u32> = metrics.iter().map(|worker| worker.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Holds the worker until it is so.
fn hold_until(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < common::LONG);
        std::thread::yield_now();
    }
}

/// So many fibers with this property, and where they were: at the beginning, and after a while.
fn places(numa: Numa, count: usize) -> Vec<Place> {
    let fiber = || {
        let first = Place::here();
        fiber::time::sleep(Duration::from_millis(1));
        [first, Place::here()]
    };
    let fibers: Vec<_> = (0..count).map(|_| at(numa).spawn(fiber)).collect();
    fibers.into_iter().flat_map(|fiber| fiber.join().unwrap()).collect()
}

#[test]
fn the_topology_is_what_was_ordered() {
    let topology = Topology::current();
    println!("{topology}");
    let Ok(wanted) = std::env::var("FIBER_TEST_NODES") else {
        return;
    };
    // As the step `numa` orders it: two CPUs on each node, one more for each node between two.
    let wanted: u32 = wanted.parse().unwrap();
    assert_eq!(topology.nodes().len() as u32, wanted);
    for node in topology.nodes() {
        let first = node.number() as usize * 2;
        assert_eq!(node.cpus(), [first, first + 1]);
        assert!(node.memory().unwrap() > 100 << 20, "{node:?}");
        for to in 0..wanted {
            let away = node.number().abs_diff(to);
            assert_eq!(topology.distance(node.number(), to), Some(if away == 0 { 10 } else { 19 + away }));
        }
    }
    watched(Builder::new()).run(|| assert_eq!(nodes(), Vec::from_iter(0..wanted)));
}

#[test]
fn fibers_and_their_stacks_are_where_they_were_ordered() {
    watched(Builder::new()).run(|| {
        for node in nodes() {
            let all = places(Numa::Node(node), 64);
            let there = Place { worker: node, cpu: node, stack: node };
            assert!(all.iter().all(|&place| place == there), "not all on node {node}: {all:?}");
        }
    });
}

#[test]
fn fibers_are_where_their_workers_are() {
    watched(Builder::new()).run(|| {
        for place in places(Numa::Any, 1000).into_iter().chain(places(Numa::Spread, 200)) {
            assert!(place.cpu == place.worker && place.stack == place.worker, "{place:?}");
        }
    });
}

#[test]
fn local_fibers_never_leave() {
    watched(Builder::new()).run(|| {
        for node in nodes() {
            let family = || {
                let children: Vec<_> = (0..100).map(|_| at(Numa::Local).spawn(|| places(Numa::Local, 3))).collect();
                children.into_iter().flat_map(|child| child.join().unwrap()).collect::<Vec<_>>()
            };
            let all = at(Numa::Node(node)).spawn(family).join().unwrap();
            assert!(all.iter().all(|place| place.worker == node && place.cpu == node), "{node}: {all:?}");
        }
    });
}

/// One fiber after the other is spawned where everybody else sleeps: the nearest worker takes it, and only if that one is held the
/// nearest of another node.
#[test]
fn near_workers_steal_before_far_ones() {
    const ROUNDS: usize = 60;
    const ENOUGH: usize = ROUNDS * 8 / 10;
    let runtime = watched(Builder::new());
    runtime.run(|| {
        let handle = Handle::try_current().unwrap();
        if nodes().len() == 1 || handle.worker_metrics().len() < 2 * nodes().len() {
            return;
        }
        let sleeps = || -> Vec<u64> { handle.worker_metrics().iter().map(|worker| worker.sleeps).collect() };
        let one = || -> usize {
            let before = sleeps();
            let ran = Arc::new(AtomicUsize::new(0));
            let tell = ran.clone();
            fiber::spawn(move || tell.store(1 + current_worker().unwrap(), SeqCst));
            hold_until(|| ran.load(SeqCst) != 0);
            let worker = ran.load(SeqCst) - 1;
            hold_until(|| sleeps()[worker] > before[worker]);
            worker
        };
        let here = Place::here().worker;
        let count = |node_of: &dyn Fn(u32) -> bool| {
            let metrics = handle.worker_metrics();
            let count = |_| (0..ROUNDS).filter(|_| node_of(metrics[one()].node)).count();
            // On a busy machine some series have few.
            (0..5).map(count).find(|&count| count >= ENOUGH).unwrap_or(0)
        };
        let mine = current_worker().unwrap();
        hold_until(|| sleeps().iter().enumerate().all(|(worker, &sleeps)| worker == mine || sleeps > 0));
        let near = count(&|node| node == here);
        println!("{near} of {ROUNDS} were stolen on node {here}");
        assert!(near >= ENOUGH, "in no series {ENOUGH} of {ROUNDS}");

        // The other workers of the node are held, too.
        let (held, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let others = handle.worker_metrics().iter().filter(|worker| worker.node == here).count() - 1;
        let holders: Vec<_> = (0..others)
            .map(|_| {
                let (held, release) = (held.clone(), release.clone());
                at(Numa::Local).spawn(move || {
                    held.fetch_add(1, SeqCst);
                    hold_until(|| release.load(SeqCst));
                })
            })
            .collect();
        hold_until(|| held.load(SeqCst) == others);
        let topology = handle.topology();
        let distance = |node: u32| topology.distance(here, node).unwrap();
        let nearest = nodes().into_iter().filter(|&node| node != here).map(distance).min().unwrap();
        let next = count(&|node| distance(node) == nearest);
        println!("{next} of {ROUNDS} were stolen from the nearest other nodes, at distance {nearest}");
        assert!(next >= ENOUGH, "in no series {ENOUGH} of {ROUNDS}");
        release.store(true, SeqCst);
        holders.into_iter().for_each(|holder| holder.join().unwrap());
    });
}
