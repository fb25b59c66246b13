#![cfg(not(loom))]
//! Where fibers start that stay for long: the workers' shares of them, counted.

mod common;

use common::{TestRuntime, eventually, here, runtime, watched};
use fiber::Numa;
use fiber::net::{TcpListener, TcpStream};
use fiber::runtime::{Builder, Topology, current_worker};
use std::io::Read;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// How many fibers stay on each worker.
#[derive(Clone)]
struct Shares(Arc<[AtomicUsize]>);

impl Shares {
    fn of(workers: usize) -> Shares {
        Shares((0..workers).map(|_| AtomicUsize::new(0)).collect())
    }

    /// The calling fiber is there, and will stay.
    fn count(&self) {
        self.0[current_worker().unwrap()].fetch_add(1, SeqCst);
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|count| count.load(SeqCst)).collect()
    }

    fn sum(&self) -> usize {
        self.counts().iter().sum()
    }

    /// Whether each of these workers has a third of its share at least. The figures by which they are chosen count one that is busy
    /// up to twice, and are some fibers late.
    fn are_even(&self, workers: RangeInclusive<usize>) -> bool {
        let fair = self.sum() / workers.clone().count();
        self.counts()[workers].iter().all(|&count| 3 * count >= fair)
    }
}

/// Adds fibers until they are shared evenly: a worker that the kernel let wait had none for a while, and then is the one with the least to do.
fn until_even(shares: &Shares, workers: RangeInclusive<usize>, least: usize, mut add: impl FnMut()) {
    while shares.sum() < least || !shares.are_even(workers.clone()) {
        assert!(shares.sum() < 20 * least, "the shares stay uneven: {:?}", shares.counts());
        add();
    }
}

/// The server of the textbooks: one fiber accepts, and spawns one for each connection.
fn accept(runtime: &TestRuntime, shares: &Shares) -> SocketAddr {
    let (report, reports) = mpsc::channel();
    let shares = shares.clone();
    runtime.spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        report.send(listener.local_addr().unwrap()).unwrap();
        for peer in listener.incoming() {
            let (Ok(peer), shares) = (peer, shares.clone()) else { return };
            fiber::spawn(move || serve(peer, &shares));
        }
    });
    reports.recv().unwrap()
}

/// Serves a client until it hangs up.
fn serve(mut peer: TcpStream, shares: &Shares) {
    shares.count();
    let _ = peer.read(&mut [0; 1]);
}

#[test]
fn connections_of_one_listener_are_shared() {
    for workers in [2, 4, 8] {
        for burst in [1, 32] {
            let runtime = runtime(workers);
            let shares = Shares::of(workers);
            let address = accept(&runtime, &shares);
            let mut clients = Vec::new();
            until_even(&shares, 0..=workers - 1, 128, || {
                clients.extend((0..burst).map(|_| std::net::TcpStream::connect(address).unwrap()));
                eventually("all who connected are served", || shares.sum() == clients.len());
            });
        }
    }
}

#[test]
fn fibers_spawned_by_threads_are_shared() {
    let runtime = runtime(4);
    let shares = Shares::of(4);
    let mut spawned = 0;
    until_even(&shares, 0..=3, 128, || {
        let own = shares.clone();
        runtime.spawn(move || {
            own.count();
            fiber::park();
        });
        spawned += 1;
        eventually("it has started", || shares.sum() == spawned);
    });
}

#[test]
fn local_fibers_stay() {
    runtime(4).run(|| {
        let (shares, here) = (Shares::of(4), current_worker().unwrap());
        for _ in 0..300 {
            let shares = shares.clone();
            fiber::spawn_local(move || {
                shares.count();
                fiber::park();
            });
        }
        eventually("all have started", || shares.sum() == 300);
        assert_eq!(shares.counts()[here], 300);
    });
}

#[test]
fn bound_fibers_are_shared_by_the_workers_of_their_node() {
    let root = std::env::temp_dir().join(format!("fiber-placement-{}", std::process::id()));
    for (node, cpus) in [("node0", "0-1"), ("node1", "2-3")] {
        let node = root.join("sys/devices/system/node").join(node);
        std::fs::create_dir_all(&node).unwrap();
        std::fs::write(node.join("cpulist"), cpus).unwrap();
    }
    let runtime = watched(Builder::new().workers(4).topology(Topology::below(&root)));
    std::fs::remove_dir_all(root).unwrap();
    let nodes: Vec<u32> = runtime.handle().worker_metrics().iter().map(|worker| worker.node).collect();
    assert_eq!(nodes, [0, 0, 1, 1]);
    runtime.run(|| {
        let shares = Shares::of(4);
        until_even(&shares, 2..=3, 128, || {
            let (own, before) = (shares.clone(), shares.sum());
            fiber::Builder::new().numa(Numa::Node(1)).spawn(move || {
                own.count();
                fiber::park();
            });
            eventually("it has started", || shares.sum() > before);
        });
        assert_eq!(shares.counts()[..2], [0, 0], "they are bound to the other node");
    });
}

#[test]
fn a_held_worker_is_given_nothing() {
    runtime(2).run(|| {
        let (here, shares) = (current_worker().unwrap(), Shares::of(2));
        let (held, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        // It comes from a sleep, so the worker rested just before.
        let spawn_holder = || {
            let (held, release) = (held.clone(), release.clone());
            fiber::spawn(move || {
                let there = current_worker().unwrap() != here;
                if there {
                    fiber::time::sleep(Duration::from_millis(5));
                    held.store(true, SeqCst);
                    while !release.load(SeqCst) {
                        std::hint::spin_loop();
                    }
                }
            })
        };
        // Until the other worker has taken one.
        while !held.load(SeqCst) {
            spawn_holder();
            std::thread::sleep(Duration::from_millis(1));
            fiber::time::sleep(Duration::from_millis(10));
        }
        // For long enough that it counts as held.
        fiber::time::sleep(Duration::from_millis(20));
        for _ in 0..100 {
            let shares = shares.clone();
            fiber::spawn(move || {
                shares.count();
                fiber::park();
            });
        }
        eventually("all have started, on the worker that is free", || shares.sum() == 100);
        assert_eq!(shares.counts()[here], 100);
        release.store(true, SeqCst);
    });
}

#[test]
fn what_a_held_worker_cannot_start_is_taken_by_one_that_has_more() {
    runtime(2).run(|| {
        let (here, stay, shares) = (current_worker().unwrap(), Shares::of(2), Shares::of(2));
        // Until the other worker has taken one, which gives it many that stay.
        while stay.sum() == 0 {
            let stay = stay.clone();
            fiber::spawn(move || {
                if current_worker().unwrap() != here && stay.sum() == 0 {
                    stay.count();
                    for _ in 0..100 {
                        let stay = stay.clone();
                        fiber::spawn_local(move || {
                            stay.count();
                            fiber::park();
                        });
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(1));
            fiber::time::sleep(Duration::from_millis(1));
        }
        eventually("they have started", || stay.sum() >= 101);
        for _ in 0..50 {
            let shares = shares.clone();
            fiber::spawn(move || {
                shares.count();
                fiber::park();
            });
        }
        // This worker is held.
        while shares.sum() < 50 {
            std::hint::spin_loop();
        }
        assert_eq!(shares.counts()[here], 0);
    });
}

/// A tree of fibers: each waits for its children, the leaves end at once.
fn grow(depth: usize) -> usize {
    if depth == 0 {
        return 1;
    }
    let children: Vec<_> = (0..10).map(|_| fiber::spawn(move || grow(depth - 1))).collect();
    children.into_iter().map(|child| child.join().unwrap()).sum()
}

#[test]
fn trees_are_not_torn_apart() {
    runtime(4).run(|| {
        assert_eq!(grow(4), 10_000);
        let metrics = here().worker_metrics();
        let given: u64 = metrics.iter().map(|worker| worker.given).sum();
        let spawned: u64 = metrics.iter().map(|worker| worker.spawned).sum();
        assert!(spawned >= 11_110 && 10 * given < spawned, "{given} of {spawned} were given away");
    });
}

#[test]
fn fibers_that_end_at_once_stay() {
    runtime(4).run(|| {
        // There are more of them here than elsewhere.
        for _ in 0..200 {
            fiber::spawn_local(fiber::park);
        }
        for _ in 0..2000 {
            fiber::spawn(|| ()).join().unwrap();
        }
        let given: u64 = here().worker_metrics().iter().map(|worker| worker.given).sum();
        // Nothing is known of the first ones. Each worker learns for itself.
        assert!(given <= 100, "{given}");
    });
}
