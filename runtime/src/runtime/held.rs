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
        writeln!(
            f,
            "  what blocks belongs into fiber::blocking, and a lock that is held over waits is one of fiber::sync"
        )?;
        if self.unreported > 0 {
            writeln!(f, "  {} more such fibers were not reported", self.unreported)?;
        }
        Ok(())
    }
}

/// The function in which a fiber's own code begins: what is below it is the runtime.
#[cfg(feature = "backtrace")]
const BOTTOM: &str = "fiber::fiber::record::run";

/// The same where debug information has lines only, and names without their paths (`debug = "line-tables-only"`).
#[cfg(feature = "backtrace")]
const BOTTOM_IN_FILE: (&str, &str) = ("run", "src/fiber/record.rs");

/// A line for each function, with its place; inlined ones too.
#[cfg(feature = "backtrace")]
fn frames(addresses: &[usize], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut lines: Vec<Line> = Vec::new();
    'frames: for &address in addresses {
        let known = lines.len();
        let mut bottom = None;
        backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
            let Some(name) = symbol.name().map(|name| without_arguments(&format!("{name:#}"))) else {
                return;
            };
            let file = symbol.filename().map(|file| file.display().to_string()).unwrap_or_default();
            if name.starts_with(BOTTOM) || name == BOTTOM_IN_FILE.0 && file.ends_with(BOTTOM_IN_FILE.1) {
                // What was inlined into it came before it.
                bottom.get_or_insert(lines.len());
            }
            lines.push(Line { name, file, line: symbol.lineno() });
        });
        if let Some(bottom) = bottom {
            lines.truncate(bottom);
            break 'frames;
        }
        if lines.len() == known {
            lines.push(Line { name: format!("{address:#x}"), file: String::new(), line: None });
        }
    }
    // How a closure is called, between the two.
    while lines.last().is_some_and(Line::is_plumbing) {
        lines.pop();
    }
    lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
}

/// A function in a report.
#[cfg(feature = "backtrace")]
struct Line {
    name: String,
    file: String,
    line: Option<u32>,
}

#[cfg(feature = "backtrace")]
impl Line {
    /// Whether it is std's.
    fn is_plumbing(&self) -> bool {
        ["std::", "core::", "<core::", "__rust"].iter().any(|start| self.name.starts_with(start))
            || ["/library/std/src/", "/library/core/src/"].iter().any(|folder| self.file.contains(folder))
    }
}

#[cfg(feature = "backtrace")]
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} ({}:{line})", self.name, self.file),
            None => f.write_str(&self.name),
        }
    }
}

/// A function's name without the types and constants that it was instantiated with, which for closures in adaptors in closures are pages.
/// `<T as Trait>::method` keeps what it is a method of.
#[cfg(feature = "backtrace")]
fn without_arguments(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    // For each bracket that is open: whether what is in it is left out.
    let mut open: Vec<bool> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        match letter {
            '<' => {
                let of_something = before.is_alphanumeric() || matches!(before, '_' | ':' | '}');
                let left_out = of_something || open.last() == Some(&true);
                if !left_out {
                    short.push(letter);
                } else if open.last() != Some(&true) && short.ends_with("::") {
                    short.truncate(short.len() - 2);
                }
                open.push(left_out);
            }
            '>' if before != '-' => {
                if open.pop() == Some(false) {
                    short.push(letter);
                }
            }
            _ if open.last() == Some(&true) => {}
            _ => short.push(letter),
        }
        before = letter;
    }
    short
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

#[cfg(all(test, feature = "backtrace", not(loom)))]
mod tests {
    use super::without_arguments;

    #[test]
    fn names_lose_what_they_were_instantiated_with() {
        for (long, short) in [
            ("spawn", "spawn"),
            ("spawn<fiber_bench::crowd::idle::{closure_env#0}, ()>", "spawn"),
            ("fiber::task::spawn::<app::main::{closure#0}, fn(u8) -> Vec<u8>>", "fiber::task::spawn"),
            ("<alloc::vec::Vec<u8> as core::ops::Drop>::drop", "<alloc::vec::Vec as core::ops::Drop>::drop"),
            ("{closure#0}<usize, fn() -> ()>", "{closure#0}"),
            ("app::work::<3>::{closure#1}", "app::work::{closure#1}"),
        ] {
            assert_eq!(without_arguments(long), short, "{long}");
        }
    }
}
