//! Starting the worker threads.

use super::config::Builder;
use super::error::{Cause, RuntimeError};
use super::handle::{Runtime, Workers};
use super::{process, quit, stall};
use crate::driver::{Driver, DriverConfig};
use crate::fiber::block::Keep;
use crate::fiber::overflow::{self, AltStack};
use crate::fiber::record::FiberRef;
use crate::fiber::stack::{SizeClass, StackConfig, StackPool};
use crate::sched::worker::{Worker, overflowing_fiber};
use crate::sched::{Scheduler, Settings};
use crate::sys::cpu;
use crate::sys::numa::{self, Node};
use crate::task::Pool;
use crossbeam_deque::Worker as Deque;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Starts a runtime, or leaves nothing behind.
pub(super) fn launch(builder: Builder) -> Result<Runtime, RuntimeError> {
    SizeClass::for_size(builder.stack_size).map_err(Cause::Stack)?;
    crate::registry::check().map_err(Cause::Duplicate)?;
    overflow::install();
    if builder.dump_on_sigquit {
        quit::watch().map_err(Cause::Signal)?;
    }
    let queues: Vec<Deque<FiberRef>> = (0..builder.worker_count()).map(|_| Deque::new_lifo()).collect();
    #[cfg(not(test))]
    let driver = DriverConfig::default();
    #[cfg(test)]
    let driver = builder.driver_config.clone();
    let settings = Settings {
        name: builder.name.clone(),
        stack_size: builder.stack_size,
        measure_stacks: builder.measure_stacks,
        driver: DriverConfig { kind: builder.driver, ..driver },
        stalled: stall::report,
    };
    let nodes = numa::nodes();
    let homes = numa::assign(&nodes, queues.len());
    let stacks = stack_pools(&homes, queues.len());
    // A worker stays on its node, and a thread that it starts would inherit that.
    let cpus = nodes.iter().flat_map(|node| node.cpus.iter().copied()).collect();
    let blocking = Pool::new(format!("{}-blocking-", builder.name), builder.blocking_threads, cpus);
    let scheduler = Scheduler::new(settings, stacks, queues.iter().map(Deque::stealer).collect(), blocking);
    scheduler.blocking.serve(&scheduler);
    let workers = Arc::new(Workers::none());
    let (report, reports) = channel();
    let mut threads = Vec::with_capacity(queues.len());
    let mut failure = None;
    for (index, queue) in queues.into_iter().enumerate() {
        let (scheduler, report) = (scheduler.clone(), report.clone());
        workers.one_starts();
        let node = homes.get(index).map(|&node| node.clone());
        let spawned = thread::Builder::new().name(format!("{}-worker-{index}", builder.name)).spawn({
            let workers = workers.clone();
            move || work(index, node, scheduler, queue, &workers, report)
        });
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                workers.one_ended();
                failure = Some(Cause::Thread(error));
                break;
            }
        }
    }
    drop(report);
    // Each worker reports once, or ends without a word.
    let failure = reports.iter().take(threads.len()).fold(failure, |failure, report| failure.or(report.err()));
    let runtime = Runtime::from_parts(scheduler, workers, threads, builder.shutdown_timeout);
    match failure {
        None => {
            process::enter(runtime.scheduler());
            Ok(runtime)
        }
        // Dropping it ends the workers that did start.
        Some(cause) => Err(cause.into()),
    }
}

/// A pool for each node, for its workers to share; one for all where there is one node.
fn stack_pools(nodes: &[&Node], workers: usize) -> Box<[Arc<StackPool>]> {
    let config = StackConfig::default();
    if nodes.is_empty() {
        let pool = Arc::new(StackPool::new(None, &config));
        return (0..workers).map(|_| pool.clone()).collect();
    }
    let mut pools = BTreeMap::new();
    let pool = |node: &&Node| {
        pools.entry(node.number).or_insert_with(|| Arc::new(StackPool::new(Some(node.number), &config))).clone()
    };
    nodes.iter().map(pool).collect()
}

/// The body of a worker thread.
fn work(
    index: usize,
    node: Option<Node>,
    scheduler: Arc<Scheduler>,
    queue: Deque<FiberRef>,
    workers: &Workers,
    report: Sender<Result<(), Cause>>,
) {
    /// Counts the worker out however it ends.
    struct Out<'a>(&'a Workers);
    impl Drop for Out<'_> {
        fn drop(&mut self) {
            self.0.one_ended();
        }
    }
    let _out = Out(workers);
    if let Some(node) = node {
        numa::stay_on(&node.cpus);
    }
    cpu::sharpen_timers();
    let _alternate = AltStack::install();
    let _blocks = Keep::here();
    overflow::set_lookup(Some(overflowing_fiber));
    // The driver belongs to one thread from its creation on, so it is made here.
    let started = Driver::new(&scheduler.settings.driver)
        .map_err(Cause::Driver)
        .and_then(|driver| Worker::new(index, scheduler, queue, driver).map_err(Cause::Stack));
    match started {
        Ok(worker) => {
            let _ = report.send(Ok(()));
            drop(report);
            worker.run();
        }
        Err(cause) => {
            let _ = report.send(Err(cause));
        }
    }
}
