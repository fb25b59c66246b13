#![cfg(not(loom))]
//! What a runtime costs while it has little to do: nothing. Counted in the kernel's own counts of how often it gave a thread the processor.

mod common;

use common::{eventually, here, watched};
use fiber::net::TcpListener;
use fiber::runtime::{Builder, Reason, State, current_worker};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The monitor is one for all runtimes of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// How often each of the threads whose names begin so gave up the processor, or had to.
fn switches(prefixes: &[&str]) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let status = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok());
    let named = status.filter_map(|status| {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let name = field("Name:")?.to_owned();
        let count = |name| field(name).unwrap().parse::<u64>().unwrap();
        let sum = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
        prefixes.iter().any(|prefix| name.starts_with(prefix)).then_some((name, sum))
    });
    named.collect()
}

/// Waits until for so long no thread ran whose name begins so. What sleeps is not switched to, however busy the machine is.
fn until_still(prefixes: &[&str], threads: usize, time: Duration) {
    // Memory of ended fibers' stacks is given back after a second, and some more.
    for _ in 0..60 {
        // A thread takes its name when it first runs, which on a busy machine may not have happened yet.
        let before = switches(prefixes);
        std::thread::sleep(time);
        if before.len() == threads && switches(prefixes) == before {
            return;
        }
    }
    panic!("there was no {time:?} in which nothing happened: {:?}", switches(prefixes));
}

#[test]
fn nobody_wakes_while_all_wait() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = watched(Builder::new().workers(3).name("still"));
    let spawned = runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fiber::spawn(move || listener.accept().map(drop));
        fiber::spawn(fiber::park);
        fiber::spawn(|| fiber::time::sleep(Duration::from_secs(3600)));
        (0..100).map(|_| fiber::spawn(|| ())).for_each(|fiber| fiber.join().unwrap());
        4
    });
    let waiting = |state: State| matches!(state, State::Waiting(Reason::Accept | Reason::Park | Reason::Sleep));
    eventually("the others wait", || {
        let dump = runtime.dump();
        dump.fibers().len() == spawned - 1 && dump.fibers().iter().all(|fiber| waiting(fiber.state()))
    });
    until_still(&["still-worker", "fiber-monitor"], 4, Duration::from_secs(1));
    // They can still be woken.
    assert_eq!(runtime.run(|| 7), 7);
}

#[test]
fn one_busy_fiber_keeps_one_worker_busy() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = watched(Builder::new().workers(3).name("busy"));
    let stop = Arc::new(AtomicBool::new(false));
    let (report, reports) = std::sync::mpsc::channel();
    let busy = runtime.spawn({
        let stop = stop.clone();
        move || {
            report.send(current_worker().unwrap()).unwrap();
            while !stop.load(SeqCst) {
                fiber::yield_now();
            }
        }
    });
    let worker = reports.recv().unwrap();
    for other in (0..3).filter(|&other| other != worker) {
        until_still(&[&format!("busy-worker-{other}")], 1, Duration::from_millis(200));
    }
    stop.store(true, SeqCst);
    busy.join().unwrap();
}

#[test]
fn a_spawn_wakes_one_worker_and_not_all() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const WORKERS: usize = 8;
    const TIMES: u64 = 30;
    watched(Builder::new().workers(WORKERS)).run(|| {
        let sleeps = || -> u64 {
            let own = current_worker().unwrap();
            let others = here().worker_metrics().into_iter().enumerate().filter(|&(worker, _)| worker != own);
            others.map(|(_, metrics)| metrics.sleeps).sum()
        };
        let woken = |_| {
            let mut woken = 0;
            for _ in 0..TIMES {
                let mut before = sleeps();
                // Until they sleep.
                eventually("all others sleep", || {
                    fiber::time::sleep(Duration::from_millis(1));
                    std::mem::replace(&mut before, sleeps()) == before
                });
                fiber::spawn(|| ()).join().unwrap();
                fiber::time::sleep(Duration::from_millis(2));
                woken += sleeps() - before;
            }
            woken
        };
        // One is woken, or none if this worker is quick; and one more now and then, because the clocks of a virtual machine jump. On one that
        // is busy, others for whom a worker stood still; not in each series.
        let woken = (0..10).map(woken).find(|&woken| woken <= 2 * TIMES);
        assert!(woken.is_some(), "more than {} workers were woken by {TIMES} spawns, each time", 2 * TIMES);
    });
}
