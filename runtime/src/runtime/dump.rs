//! What every fiber is doing.

use crate::fiber::slot::{Observed, Phase};
use crate::fiber::stack::{Bytes, StackStatistics};
use crate::fiber::{Named, Reason};
use crate::registry::{self, Task};
use crate::sched::scheduler::Stage;
use crate::sched::{Scheduler, clock};
use crate::{FiberId, Priority};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Every started fiber of a runtime, and what it was doing, each as of some moment while the dump was made.
///
/// Taking one needs no cooperation from the workers: it works while a fiber holds its worker, and from any thread. Fibers that
/// were spawned and have not started are counted, not listed; by task, they are in the [`registry`].
/// [`Display`](fmt::Display) gives the report that `SIGQUIT`, a deadlock and a failed shutdown print.
///
/// # Examples
///
/// ```
/// use fiber::runtime::{Handle, Reason, State};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let parked = fiber::Builder::new().name("idle").spawn(fiber::park);
/// let idle = loop {
///     let dump = Handle::try_current().unwrap().dump();
///     let idle = dump.fibers().iter().find(|fiber| fiber.name() == Some("idle")).cloned();
///     match idle {
///         Some(idle) if idle.state() == State::Waiting(Reason::Park) => break idle,
///         _ => fiber::yield_now(),
///     }
/// };
/// assert_eq!(idle.id(), parked.fiber().id());
/// parked.fiber().unpark();
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    runtime: String,
    workers: usize,
    driver: &'static str,
    stacks: StackStatistics,
    queued: usize,
    fibers: Vec<FiberState>,
}

/// One fiber in a [`Dump`].
#[derive(Clone, Debug)]
pub struct FiberState {
    id: FiberId,
    name: Option<Arc<str>>,
    task: Option<&'static Task>,
    worker: usize,
    priority: Priority,
    state: State,
    waited: Duration,
}

/// What a started fiber was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It could go on, and waited for its worker.
    Ready,
    /// It was on its worker's processor.
    Running,
    /// It was suspended.
    Waiting(Reason),
}

impl Dump {
    pub(crate) fn of(scheduler: &Scheduler) -> Dump {
        let mut dump = Dump {
            runtime: scheduler.settings.name.clone(),
            workers: scheduler.workers(),
            driver: scheduler.driver.get().map_or("none", |(_, name)| name),
            stacks: scheduler.stack_statistics(),
            queued: 0,
            fibers: Vec::new(),
        };
        if scheduler.stage() == Stage::Ended {
            return dump;
        }
        dump.queued = scheduler.queued();
        for (worker, home) in scheduler.homes.iter().enumerate() {
            let observed = home.slots.observe();
            let now = clock::coarse(clock::now());
            let names = home.names();
            dump.fibers.extend(observed.into_iter().map(|seen: Observed| FiberState {
                id: FiberId::new(seen.id),
                name: names.get(&seen.id).cloned(),
                task: seen.task,
                worker: seen.at.unwrap_or(worker),
                priority: seen.priority,
                state: match (seen.phase, seen.reason) {
                    (Phase::Running, _) => State::Running,
                    (Phase::Waiting, Some(reason)) => State::Waiting(reason),
                    _ => State::Ready,
                },
                waited: match seen.phase {
                    Phase::Waiting => clock::coarse_between(seen.since, now),
                    _ => Duration::ZERO,
                },
            }));
        }
        dump
    }

    /// The started fibers, by worker.
    #[must_use]
    pub fn fibers(&self) -> &[FiberState] {
        &self.fibers
    }

    /// The name of the driver by which the workers wait: `io_uring` or `epoll`, with a remark in parentheses where it is not as it might
    /// be, as in `epoll (io_uring is forbidden)`. For people; [`Handle::driver`](super::Handle::driver) is for programs.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.driver
    }

    /// How many fibers were spawned and had not started.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued
    }
}

impl FiberState {
    /// The fiber's identifier.
    #[must_use]
    pub fn id(&self) -> FiberId {
        self.id
    }

    /// The fiber's name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The task that the fiber was spawned as, if any.
    #[must_use]
    pub fn task(&self) -> Option<&'static Task> {
        self.task
    }

    /// The number of the fiber's worker.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How urgent it was; perhaps for the moment only, by a [loan](Priority#locks).
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// What it was doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How long it had been waiting, in steps of about a millisecond; zero if it was not.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Ready => f.pad("ready"),
            State::Running => f.pad("running"),
            State::Waiting(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for FiberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named { id: self.id.get(), name: self.name(), task: self.task }.fmt(f)?;
        write!(f, ": {}", self.state)?;
        if self.priority != Priority::Normal {
            write!(f, ", {} priority", self.priority)?;
        }
        if let State::Waiting(_) = self.state {
            write!(f, ", for {:.3} s", self.waited.as_secs_f64())?;
        }
        Ok(())
    }
}

/// So many of something.
pub(super) struct Count(pub(super) usize, pub(super) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "runtime '{}': {} on {}, {} started, {} spawned and not started, {} registered",
            self.runtime,
            Count(self.workers, "worker"),
            self.driver,
            Count(self.fibers.len(), "fiber"),
            self.queued,
            Count(registry::tasks().len(), "task")
        )?;
        let StackStatistics { mapped, free, bytes_mapped, bytes_resident, .. } = self.stacks;
        writeln!(
            f,
            "  stacks: {mapped} in {} of address space, {free} of them free; about {} in memory",
            Bytes(bytes_mapped),
            Bytes(bytes_resident)
        )?;
        for worker in 0..self.workers {
            writeln!(f, "  worker {worker}:")?;
            for fiber in self.fibers.iter().filter(|fiber| fiber.worker == worker) {
                writeln!(f, "    {fiber}")?;
            }
        }
        Ok(())
    }
}
