//! A fiber holds its worker: what is said of it, and to whom.

use crate::FiberId;
use crate::fiber::Named;
use crate::registry::Task;
use crate::sched::Scheduler;
use crate::sched::monitor::Held;
use crate::sys::stderr::say;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Who is told of workers that are held.
pub(super) type OnHeld = Arc<dyn Fn(&HeldWorker) + Send + Sync>;

/// A fiber has run for longer than the runtime's [limit](super::Builder::held_limit) without a wait, a yield or a checkpoint that let
/// others run. Until it does, no other started fiber of its worker goes on, and the worker's timers and completions are late; its
/// fresh fibers are taken by other workers.
///
/// Given to the callback of [`Builder::on_held`](super::Builder::on_held). [`Display`](fmt::Display) gives the report that is printed without
/// one.
///
/// # Examples
///
/// ```
/// use fiber::runtime::{Builder, HeldWorker};
/// use std::sync::mpsc::channel;
/// use std::time::Duration;
///
/// # if std::env::var_os("FIBER_HELD_LIMIT").is_some() { return Ok(()) }
/// let (tell, told) = channel();
/// let on_held = move |held: &HeldWorker| drop(tell.send((held.worker(), held.time())));
/// let runtime = Builder::new().workers(1).held_limit(Duration::from_millis(10)).on_held(on_held).build()?;
/// let (worker, time) = runtime.run(move || loop {
///     // No wait and no checkpoint: the worker is held.
///     if let Ok(told) = told.try_recv() {
///         break told;
///     }
/// });
/// assert_eq!(worker, 0);
/// assert!(time >= Duration::from_millis(10));
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeldWorker {
    runtime: String,
    worker: usize,
    time: Duration,
    fiber: FiberId,
    name: Option<Arc<str>>,
    task: Option<&'static Task>,
    spawned_at: Option<&'static Location<'static>>,
    frames: Vec<usize>,
    unreported: u64,
}

impl HeldWorker {
    fn new(scheduler: &Scheduler, held: Held) -> HeldWorker {
        let Held { worker, fiber, time, frames, unreported } = held;
        HeldWorker {
            runtime: scheduler.settings.name.clone(),
            worker,
            time,
            fiber: FiberId::new(fiber.id),
            // With the worker that started it, which may be another one.
            name: scheduler.homes.iter().find_map(|home| home.names().get(&fiber.id).cloned()),
            task: fiber.task,
            spawned_at: fiber.site,
            frames,
            unreported,
        }
    }

    /// The number of the worker.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// For how long the fiber had held it when it was looked at. It may have begun up to half a time slice earlier.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The fiber.
    #[must_use]
    pub fn fiber(&self) -> FiberId {
        self.fiber
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

    /// Where the fiber was spawned, if somebody's code did it.
    #[must_use]
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at
    }

    /// The addresses at which the functions on the fiber's stack were, innermost first; empty if the thread could not be asked. With the
    /// feature `backtrace`, [`Display`](fmt::Display) has their names.
    #[must_use]
    pub fn frames(&self) -> &[usize] {
        &self.frames
    }

    /// How many other fibers held a worker for that long since the last report, and were not reported: at most five in a minute
    /// are, in the whole process.
    #[must_use]
    pub fn unreported(&self) -> u64 {
        self.unreported
    }
}

impl fmt::Display for HeldWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Named { id: self.fiber.get(), name: self.name(), task: self.task };
        let HeldWorker { runtime, worker, time, .. } = self;
        writeln!(f, "{named} has held worker {worker} of runtime '{runtime}' for {} ms", time.as_millis())?;
        if let Some(site) = self.spawned_at {
            writeln!(f, "  it was spawned at {site}")?;
        }
        if !self.frames.is_empty() {
            writeln!(f, "  it is here:")?;
            frames(&self.frames, f)?;
        }
        writeln!(
            f,
            "  meanwhile no other fiber of this worker goes on; what computes for long can be given checkpoints,"
        )?;
        writeln!(f, "  what blocks belongs into fiber::blocking")?;
        if self.unreported > 0 {
            writeln!(f, "  {} more such fibers were not reported", self.unreported)?;
        }
        Ok(())
    }
}

/// The function in which a fiber's own code begins: what is below it is the runtime.
#[cfg(feature = "backtrace")]
const BOTTOM: &str = "fiber::fiber::record::run";

/// A line for each function, with its place; inlined ones too.
#[cfg(feature = "backtrace")]
fn frames(addresses: &[usize], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut lines = Vec::new();
    'frames: for &address in addresses {
        let known = lines.len();
        let mut below = false;
        backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
            let Some(name) = symbol.name().map(|name| format!("{name:#}")) else {
                return;
            };
            below |= name.starts_with(BOTTOM);
            let place = symbol.filename().zip(symbol.lineno());
            let place = place.map_or_else(String::new, |(file, line)| format!(" ({}:{line})", file.display()));
            lines.push(format!("{name}{place}"));
        });
        if below {
            lines.truncate(known);
            break 'frames;
        }
        if lines.len() == known {
            lines.push(format!("{address:#x}"));
        }
    }
    // How a closure is called, between the two.
    let plumbing = |line: &String| ["std::", "core::", "<core::", "__rust"].iter().any(|start| line.starts_with(start));
    while lines.last().is_some_and(plumbing) {
        lines.pop();
    }
    lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
}

/// The addresses alone, for `addr2line`.
#[cfg(not(feature = "backtrace"))]
fn frames(addresses: &[usize], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    addresses.iter().try_for_each(|address| writeln!(f, "    {address:#x}"))
}

/// Tells whoever is to be told.
pub(super) fn report(on_held: Option<&OnHeld>, scheduler: &Scheduler, held: Held) {
    let held = HeldWorker::new(scheduler, held);
    match on_held {
        Some(on_held) => on_held(&held),
        None if traced(&held) => (),
        // As one text, so that nothing comes between its lines.
        None => {
            let text = held.to_string();
            say(format_args!("fiber: {text}"));
        }
    }
}

/// Tells the subscriber, if one listens.
#[cfg(feature = "tracing")]
fn traced(held: &HeldWorker) -> bool {
    let enabled = tracing::enabled!(target: "fiber", tracing::Level::WARN);
    if enabled {
        tracing::event!(
            target: "fiber",
            tracing::Level::WARN,
            worker = held.worker,
            fiber = held.fiber.get(),
            name = held.name(),
            task = held.task.map(Task::path),
            spawned_at = held.spawned_at.map(tracing::field::display),
            milliseconds = u64::try_from(held.time.as_millis()).unwrap_or(u64::MAX),
            "{held}"
        );
    }
    enabled
}

/// Nobody listens.
#[cfg(not(feature = "tracing"))]
fn traced(_: &HeldWorker) -> bool {
    false
}
