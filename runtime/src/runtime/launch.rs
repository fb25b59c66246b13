//! Starting the worker threads.

use super::config::Builder;
use super::error::{Cause, RuntimeError};
use super::handle::{Runtime, Workers};
use super::start::Start;
use super::{held, process, quit, stall};
use crate::driver::{Driver, DriverConfig};
use crate::fiber::block::Keep;
use crate::fiber::overflow::{self, AltStack};
use crate::fiber::record::FiberRef;
use crate::fiber::stack::{SizeClass, StackConfig, StackPool};
use crate::sched::nodes::Nodes;
use crate::sched::rings::Plan;
use crate::sched::roaming::{Roads, Roaming};
use crate::sched::worker::{Worker, overflowing_fiber};
use crate::sched::{Scheduler, Settings, monitor};
use crate::sys::{affinity, cpu};
use crate::task::Pool;
use crate::topology::{Cpu, Topology};
use crossbeam_deque::Worker as Deque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long the kernel takes to give back the memory of rings that were closed: it does so in its own time.
const GIVEN_BACK: Duration = Duration::from_millis(20);

/// Starts a runtime, or leaves nothing behind.
///
/// Where there is not enough memory for the rings of all workers, which may be limited for each user, it tries rings that take a fifth of it,
/// and then, unless io_uring is asked for, does without. The workers of one runtime are all of one kind.
pub(super) fn launch(builder: Builder) -> Result<Runtime, RuntimeError> {
    #[cfg(not(test))]
    let driver = DriverConfig::default();
    #[cfg(test)]
    let driver = builder.driver_config.clone();
    let mut driver = DriverConfig { kind: builder.driver, ..driver };
    loop {
        let error = match launch_on(&builder, &driver) {
            Err(Cause::Driver(error)) if error.lacks_memory() => error,
            result => return Ok(result?),
        };
        if !driver.make_smaller() {
            return Err(Cause::Driver(error).into());
        }
        thread::sleep(GIVEN_BACK);
    }
}

fn launch_on(builder: &Builder, driver: &DriverConfig) -> Result<Runtime, Cause> {
    SizeClass::for_size(builder.stack_size).map_err(Cause::Stack)?;
    crate::registry::check().map_err(Cause::Duplicate)?;
    overflow::install();
    if builder.dump_on_sigquit {
        quit::watch().map_err(Cause::Signal)?;
    }
    let topology = builder.topology.clone().unwrap_or_else(Topology::current);
    let topology = limit(topology, builder.cpus.as_deref())?;
    let plan = Plan::new(&topology, builder.worker_count());
    let nodes = Nodes::new(topology, plan);
    nodes.place(builder.numa, || 0).map_err(Cause::Node)?;
    let settings = Settings {
        name: builder.name.clone(),
        stack_size: builder.stack_size,
        measure_stacks: builder.measure_stacks,
        numa: builder.numa,
        driver: driver.clone(),
        timeslice: builder.timeslice,
        held_limit: builder.held_limit,
        held: Box::new({
            let on_held = builder.on_held.clone();
            move |scheduler, held| held::report(on_held.as_ref(), scheduler, held)
        }),
        stalled: stall::report,
    };
    let stacks = stack_pools(&nodes);
    let several = nodes.count() > 1;
    let is_real = nodes.topology.is_real();
    let own = builder.cpus.clone().filter(|_| is_real);
    // A worker stays on its node, and a thread that it starts would inherit that.
    let cpus = own.clone().unwrap_or_else(|| if several && is_real { affinity::allowed() } else { Vec::new() });
    let blocking = Pool::new(format!("{}-blocking-", builder.name), builder.blocking_threads, cpus);
    let queues: Vec<Queues> = nodes
        .plan
        .node_of
        .iter()
        .map(|_| Queues { fresh: Deque::new_lifo(), bound: several.then(Deque::new_lifo), roaming: Roaming::new() })
        .collect();
    let stealers = queues.iter().map(|queues| queues.fresh.stealer()).collect();
    let bound = queues.iter().filter_map(|queues| Some(queues.bound.as_ref()?.stealer())).collect();
    let roaming: Vec<&Roaming> = queues.iter().map(|queues| &queues.roaming).collect();
    let roads = Roads::new(&roaming, nodes.count(), builder.restless);
    let scheduler = Scheduler::new(settings, nodes, stacks, stealers, bound, roads, blocking);
    scheduler.blocking.serve(&scheduler);
    let workers = Arc::new(Workers::none());
    let start = Start::begin();
    let mut threads = Vec::with_capacity(queues.len());
    let mut failure = None;
    for (index, queues) in queues.into_iter().enumerate() {
        let (scheduler, start, own) = (scheduler.clone(), start.clone(), own.clone());
        workers.one_starts();
        let spawned = thread::Builder::new().name(format!("{}-worker-{index}", builder.name)).spawn({
            let workers = workers.clone();
            move || {
                if let Some(cpus) = own {
                    affinity::stay_on(&cpus);
                }
                work(index, scheduler, queues, &workers, start);
            }
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
    // The monitor's thread starts while the workers make their drivers.
    let failure = failure.or_else(|| monitor::enter(&scheduler).err().map(Cause::Thread));
    let reported = start.wait();
    let failure = failure.or(reported);
    let runtime = Runtime::from_parts(scheduler, workers, threads, builder.shutdown_timeout);
    match failure {
        None => {
            process::enter(runtime.scheduler());
            Ok(runtime)
        }
        // Dropping it ends the workers that did start.
        Some(cause) => Err(cause),
    }
}

/// The machine, less the CPUs that are not for this runtime.
fn limit(topology: Topology, cpus: Option<&[usize]>) -> Result<Topology, Cause> {
    let Some(cpus) = cpus else { return Ok(topology) };
    if cpus.is_empty() {
        return Err(Cause::NoCpus);
    }
    if let Some(&cpu) = cpus.iter().find(|&&cpu| topology.cpu(cpu).is_none()) {
        let mut there: Vec<usize> = topology.cpus().iter().map(Cpu::number).collect();
        there.sort_unstable();
        return Err(Cause::Cpu(cpu, there));
    }
    Ok(topology.limited_to(cpus))
}

/// A worker's own queues, apart from that of ready fibers that stay.
struct Queues {
    fresh: Deque<FiberRef>,
    bound: Option<Deque<FiberRef>>,
    roaming: Roaming,
}

/// A pool for each node, for its workers to share.
fn stack_pools(nodes: &Nodes) -> Box<[Arc<StackPool>]> {
    let config = StackConfig::default();
    let bind = nodes.count() > 1 && nodes.topology.is_real();
    let pool = |&node: &u32| {
        let memory = if bind { nodes.topology.memory_near(node) } else { None };
        Arc::new(StackPool::new(memory, &config))
    };
    let pools: Vec<Arc<StackPool>> = nodes.plan.nodes.iter().map(pool).collect();
    nodes.plan.node_of.iter().map(|&node| pools[node].clone()).collect()
}

/// Keeps a worker's thread on its node, if the process has several.
///
/// It begins on the CPU that the rings count from and may leave it within the node: a thread that is tied to one CPU waits when
/// another process is there.
fn settle(index: usize, nodes: &Nodes) {
    let plan = &nodes.plan;
    if nodes.count() < 2 || !nodes.topology.is_real() {
        return;
    }
    if let Some(node) = nodes.topology.node(plan.nodes[plan.node_of[index]]) {
        affinity::stay_on(&[plan.cpus[index].number()]);
        affinity::stay_on(node.cpus());
    }
}

/// The body of a worker thread.
fn work(index: usize, scheduler: Arc<Scheduler>, queues: Queues, workers: &Workers, start: Start) {
    /// Counts the worker out however it ends.
    struct Out<'a>(&'a Workers);
    impl Drop for Out<'_> {
        fn drop(&mut self) {
            self.0.one_ended();
        }
    }
    let out = Out(workers);
    settle(index, &scheduler.nodes);
    cpu::sharpen_timers();
    let _alternate = AltStack::install();
    let _blocks = Keep::here();
    overflow::set_lookup(Some(overflowing_fiber));
    // The driver belongs to one thread from its creation on, so it is made here.
    let started = Driver::new(&scheduler.settings.driver).map_err(Cause::Driver).and_then(|driver| {
        let Queues { fresh, bound, roaming } = queues;
        Worker::new(index, scheduler, fresh, bound, roaming, driver).map_err(Cause::Stack)
    });
    match started {
        Ok(worker) => {
            drop(start);
            worker.run();
            if worker.is_done() {
                // Whoever waits for the end wakes up while the driver is dropped, and waits for the thread then.
                drop(out);
            }
        }
        Err(cause) => start.fail(cause),
    }
}
