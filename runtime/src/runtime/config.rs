//! How a runtime is to be set up: from code, and from the environment, which wins.

use super::environment::{Environment, warn_of_unknown};
use super::error::{Cause, RuntimeError};
use super::handle::Runtime;
use super::held::{HeldWorker, OnHeld};
use crate::Numa;
use crate::driver::DriverKind;
use crate::fiber::stack::SizeClass;
use crate::sched::monitor::SHORTEST_SLICE;
use crate::sys::cpu;
use crate::topology::{Topology, parse_list};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// More workers than any machine has processors; they would only wait for each other.
const MOST_WORKERS: usize = 4096;
/// What the attributes, too, take as the smallest size.
const SMALLEST_STACK: usize = 16 << 10;

/// Sets up a [`Runtime`].
///
/// Each property has an environment variable that wins over what the program says, so that a deployed program can be tuned
/// without a build; it is read by [`build`](Self::build).
///
/// | method | variable | default |
/// | --- | --- | --- |
/// | [`workers`](Self::workers) | `FIBER_WORKERS` | the processors that the process may use, or those of `cpus` |
/// | [`cpus`](Self::cpus) | `FIBER_CPUS` | all that the process may use |
/// | [`stack_size`](Self::stack_size) | `FIBER_STACK_SIZE` | 256 KiB |
/// | [`numa`](Self::numa) | `FIBER_NUMA` | `any` |
/// | [`driver`](Self::driver) | `FIBER_DRIVER` | `auto` |
/// | [`blocking_threads`](Self::blocking_threads) | `FIBER_BLOCKING_THREADS` | 512 |
/// | [`name`](Self::name) | `FIBER_NAME` | `fiber` |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | `FIBER_SHUTDOWN_TIMEOUT` | 10 s |
/// | [`dump_on_sigquit`](Self::dump_on_sigquit) | `FIBER_DUMP_ON_SIGQUIT` | no |
/// | [`measure_stacks`](Self::measure_stacks) | `FIBER_MEASURE_STACKS` | no |
/// | [`timeslice`](Self::timeslice) | `FIBER_TIMESLICE` | 5 ms |
/// | [`held_limit`](Self::held_limit) | `FIBER_HELD_LIMIT` | 25 ms |
/// | [`on_held`](Self::on_held) | | standard error |
/// | `restless`, with the feature `migrate` | `FIBER_RESTLESS` | no |
///
/// A variable `FIBER_...` that is not in this table has no effect; the first runtime of a process says so, on standard error.
///
/// Sizes are written `65536`, `64k`, `1m`; durations `500us`, `10ms`, `2s`; switches `0` or `1`; CPUs `0-3,8`.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Builder::new().workers(2).stack_size(64 * 1024).name("search").build()?;
/// assert_eq!(runtime.run(|| 1), 1);
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    pub(super) workers: Option<usize>,
    pub(super) cpus: Option<Vec<usize>>,
    pub(super) stack_size: usize,
    pub(super) numa: Numa,
    pub(super) topology: Option<Topology>,
    pub(super) driver: DriverKind,
    pub(super) blocking_threads: usize,
    pub(super) name: String,
    pub(super) shutdown_timeout: Duration,
    pub(super) dump_on_sigquit: bool,
    pub(super) measure_stacks: bool,
    pub(super) timeslice: Duration,
    pub(super) held_limit: Option<Duration>,
    pub(super) on_held: Option<OnHeld>,
    pub(super) restless: bool,
    /// The driver in particular, but for its kind.
    #[cfg(test)]
    pub(crate) driver_config: crate::driver::DriverConfig,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            workers: None,
            cpus: None,
            stack_size: SizeClass::DEFAULT.size(),
            numa: Numa::default(),
            topology: None,
            driver: DriverKind::default(),
            blocking_threads: 512,
            name: "fiber".to_owned(),
            shutdown_timeout: Duration::from_secs(10),
            dump_on_sigquit: false,
            measure_stacks: false,
            timeslice: Duration::from_millis(5),
            held_limit: Some(Duration::from_millis(25)),
            on_held: None,
            restless: false,
            #[cfg(test)]
            driver_config: crate::driver::DriverConfig::default(),
        }
    }
}

impl Builder {
    /// The defaults.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// How many workers, each a thread with a driver of its own. The default is one for each processor that the process may
    /// use, by its affinity and its cgroup's quota. At least one, at most 4096.
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = Some(workers);
        self
    }

    /// On which CPUs the runtime's threads run: workers, and those for [`blocking`](crate::blocking) calls. Also how many workers there are unless
    /// [`workers`](Self::workers) says it: one for each of these CPUs, or fewer if the cgroup's quota is for fewer. The default is all CPUs that the
    /// process may use, by its affinity and its cgroup.
    ///
    /// Two runtimes on CPUs of their own do not take time from each other: one for what must answer soon, one for what computes. A worker
    /// may run on any of the CPUs, or on any of those that are on its node. Threads that fibers start may run on the same CPUs as the worker
    /// that they were started from, as the kernel has it. With a [`topology`](Self::topology) that is not this machine's, these are CPUs of that one, and threads
    /// are kept nowhere.
    ///
    /// ```
    /// use fiber::runtime::{Builder, Topology};
    ///
    /// let cpus: Vec<usize> = Topology::current().cpus().iter().map(|cpu| cpu.number()).collect();
    /// let (first, rest) = cpus.split_first().unwrap();
    /// let front = Builder::new().name("front").cpus([*first]).build()?;
    /// let back = Builder::new().name("back").cpus(if rest.is_empty() { &cpus } else { rest }.iter().copied()).build()?;
    /// let back = back.handle();
    /// let sum = front.run(|| back.spawn(|| (1..=100u64).sum::<u64>()).join().unwrap());
    /// assert_eq!(sum, 5050);
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Builder {
        let mut cpus: Vec<usize> = cpus.into_iter().collect();
        cpus.sort_unstable();
        cpus.dedup();
        self.cpus = Some(cpus);
        self
    }

    /// Bytes of address space for the stack of a fiber that asks for none, rounded up to a power of two; at least 16 KiB.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = bytes;
        self
    }

    /// Where fibers that do not say may start.
    pub fn numa(mut self, numa: Numa) -> Builder {
        self.numa = numa;
        self
    }

    /// Takes the machine to be this one, to see and test on a small machine how fibers are placed on a large one. Workers are assigned
    /// to its nodes and steal along its distances; threads stay on no CPU then, and memory is bound to no node. The default is
    /// [`Topology::current`].
    ///
    /// ```
    /// use fiber::Numa;
    /// use fiber::runtime::{Builder, Handle, Topology, current_worker};
    ///
    /// let root = std::env::temp_dir().join(format!("two-nodes-{}", std::process::id()));
    /// for (node, cpu) in [("node0", "0"), ("node1", "1")] {
    ///     let node = root.join("sys/devices/system/node").join(node);
    ///     std::fs::create_dir_all(&node)?;
    ///     std::fs::write(node.join("cpulist"), cpu)?;
    /// }
    /// let runtime = Builder::new().workers(2).topology(Topology::below(&root)).build()?;
    /// let node = runtime.run(|| {
    ///     let fiber = fiber::Builder::new().numa(Numa::Node(1)).spawn(|| current_worker().unwrap());
    ///     let worker = fiber.join().unwrap();
    ///     Handle::try_current().unwrap().worker_metrics()[worker].node
    /// });
    /// assert_eq!(node, 1);
    /// # std::fs::remove_dir_all(root)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topology(mut self, topology: Topology) -> Builder {
        self.topology = Some(topology);
        self
    }

    /// By which interface of the kernel the workers wait. [`Handle::driver`](super::Handle::driver) says which it has become.
    pub fn driver(mut self, driver: DriverKind) -> Builder {
        self.driver = driver;
        self
    }

    /// The most threads of the pool for [`blocking`](crate::blocking) calls, at least one. They are started as calls come, and end
    /// after ten seconds without one. The default is 512, as Tokio's: more than most disks and services serve at once, and few enough
    /// for every limit on threads that is usual.
    pub fn blocking_threads(mut self, threads: usize) -> Builder {
        self.blocking_threads = threads;
        self
    }

    /// The name of the runtime in dumps, and the beginning of the names of its threads.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// How long the end of the runtime waits for fibers that were cancelled: when `main` returns, and when the runtime is
    /// dropped.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Builder {
        self.shutdown_timeout = timeout;
        self
    }

    /// Whether `SIGQUIT` (Ctrl-\ in a terminal) prints the dump of every runtime of the process to standard error, instead of
    /// ending the process. Once a runtime has asked for it, it stays so.
    pub fn dump_on_sigquit(mut self, dump: bool) -> Builder {
        self.dump_on_sigquit = dump;
        self
    }

    /// Whether to measure how deep each fiber of an annotated task gets into its stack, for
    /// [`Task::stack_high_water`](crate::registry::Task::stack_high_water). Costs some microseconds per fiber.
    pub fn measure_stacks(mut self, measure: bool) -> Builder {
        self.measure_stacks = measure;
        self
    }

    /// How long a fiber may run, without a wait, before its next [checkpoint](crate::checkpoint()) yields; the default is 5 ms, of the
    /// order of the kernel's own (`base_slice_ns` of EEVDF, 3 ms on most machines, as of Linux 6.6). At least 100 us.
    ///
    /// A thread looks at the workers at half the shortest time slice in the process while any of them is awake: at 5 ms that takes
    /// about a thousandth of a processor, at 100 us some hundredths.
    pub fn timeslice(mut self, timeslice: Duration) -> Builder {
        self.timeslice = timeslice;
        self
    }

    /// How long a fiber may hold its worker before that is reported: by [`on_held`](Self::on_held); else, with the feature `tracing`,
    /// as an event of the level `WARN` and the target `fiber`; else on standard error. At most five reports in a minute are made in
    /// a process. `None` for no reports. The default is 25 ms.
    ///
    /// The report has the stack of the worker's thread. To have it, the thread is sent `SIGURG`, which ends some system calls with
    /// [`Interrupted`](std::io::ErrorKind::Interrupted) (signal(7)); nothing is sent before there is a report to make.
    pub fn held_limit(mut self, limit: impl Into<Option<Duration>>) -> Builder {
        self.held_limit = limit.into();
        self
    }

    /// What to do when a fiber holds its worker for longer than the [limit](Self::held_limit). It runs on a thread of its own, perhaps
    /// when the fiber goes on already, and perhaps when the runtime has ended. A fiber that holds its worker because it panics, and prints
    /// a backtrace, is not reported.
    pub fn on_held(mut self, f: impl Fn(&HeldWorker) + Send + Sync + 'static) -> Builder {
        self.on_held = Some(Arc::new(f));
        self
    }

    /// Starts the runtime: its workers are up when this returns.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a property cannot be had (also if `numa` names a node without workers, or `cpus` a CPU that the process may not use), an environment variable cannot be understood, the kernel refuses the driver
    /// that is asked for, or two tasks chose the same name.
    pub fn build(self) -> Result<Runtime, RuntimeError> {
        let builder = self.with_environment(|variable| std::env::var(variable).ok())?;
        warn_of_unknown();
        match builder.workers {
            Some(0) => return Err(Cause::NoWorkers.into()),
            Some(workers) if workers > MOST_WORKERS => return Err(Cause::TooManyWorkers(workers).into()),
            _ => (),
        }
        if builder.blocking_threads == 0 {
            return Err(Cause::NoBlockingThreads.into());
        }
        if builder.timeslice < SHORTEST_SLICE {
            return Err(Cause::ShortSlice(builder.timeslice).into());
        }
        super::launch::launch(builder)
    }

    /// Whether each [migratable](crate::Builder::migratable) fiber goes on at another worker every time it has suspended and may leave, instead
    /// of where there is time for it. To find code, in tests, that does not keep what was promised of it.
    ///
    /// ```
    /// use fiber::runtime::{Builder, current_worker};
    ///
    /// let moved = Builder::new().workers(2).restless(true).build()?.run(|| {
    ///     // SAFETY: nothing in this closure belongs to a thread.
    ///     let builder = unsafe { fiber::Builder::new().migratable(true) };
    ///     let fiber = builder.spawn(|| {
    ///         let before = current_worker();
    ///         fiber::yield_now();
    ///         before != current_worker()
    ///     });
    ///     fiber.join().unwrap()
    /// });
    /// assert!(moved);
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[cfg(feature = "migrate")]
    pub fn restless(mut self, restless: bool) -> Builder {
        self.restless = restless;
        self
    }

    /// How many workers there will be.
    pub(super) fn worker_count(&self) -> usize {
        let cpus = self.cpus.as_ref().map_or(usize::MAX, Vec::len);
        self.workers.unwrap_or_else(|| cpu::allowance().min(cpus))
    }

    fn with_environment(mut self, read: impl Fn(&str) -> Option<String>) -> Result<Builder, RuntimeError> {
        let environment = Environment(read);
        let workers = |workers| self.workers = Some(workers);
        environment.apply("FIBER_WORKERS", "a number from 1 to 4096", worker_count, workers)?;
        let cpus = |cpus| self.cpus = Some(cpus);
        environment.apply("FIBER_CPUS", "CPUs, such as 0-3,8", parse_list, cpus)?;
        let sizes = "a size from 16k to 1g, such as 65536, 64k or 1m";
        environment.apply("FIBER_STACK_SIZE", sizes, stack_size, |size| self.stack_size = size)?;
        let numa = "`any`, `local`, `spread` or the number of a node";
        environment.apply("FIBER_NUMA", numa, |text| text.parse().ok(), |numa| self.numa = numa)?;
        let drivers = "`auto`, `io_uring` or `epoll`";
        environment.apply("FIBER_DRIVER", drivers, |text| text.parse().ok(), |driver| self.driver = driver)?;
        let threads = |threads| self.blocking_threads = threads;
        environment.apply("FIBER_BLOCKING_THREADS", "a number from 1", positive, threads)?;
        environment.apply("FIBER_NAME", "a name", |text| Some(text.to_owned()), |name| self.name = name)?;
        let timeout = |timeout| self.shutdown_timeout = timeout;
        environment.apply("FIBER_SHUTDOWN_TIMEOUT", "a duration, such as 500ms or 10s", duration, timeout)?;
        environment.apply("FIBER_DUMP_ON_SIGQUIT", "0 or 1", switch, |on| self.dump_on_sigquit = on)?;
        environment.apply("FIBER_MEASURE_STACKS", "0 or 1", switch, |on| self.measure_stacks = on)?;
        let slice = |slice| self.timeslice = slice;
        environment.apply("FIBER_TIMESLICE", "a duration from 100us, such as 500us or 5ms", duration, slice)?;
        let limits = "a duration, such as 25ms, or `off`";
        let limit = |text: &str| if text == "off" { Some(None) } else { duration(text).map(Some) };
        environment.apply("FIBER_HELD_LIMIT", limits, limit, |limit| self.held_limit = limit)?;
        #[cfg(feature = "migrate")]
        environment.apply("FIBER_RESTLESS", "0 or 1", switch, |on| self.restless = on)?;
        Ok(self)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("cpus", &self.cpus)
            .field("stack_size", &self.stack_size)
            .field("numa", &self.numa)
            .field("driver", &self.driver)
            .field("blocking_threads", &self.blocking_threads)
            .field("name", &self.name)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("dump_on_sigquit", &self.dump_on_sigquit)
            .field("measure_stacks", &self.measure_stacks)
            .field("timeslice", &self.timeslice)
            .field("held_limit", &self.held_limit)
            .finish_non_exhaustive()
    }
}

fn worker_count(text: &str) -> Option<usize> {
    positive(text).filter(|&workers| workers <= MOST_WORKERS)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|&number| number > 0)
}

fn stack_size(text: &str) -> Option<usize> {
    size(text).filter(|&bytes| bytes >= SMALLEST_STACK && SizeClass::for_size(bytes).is_ok())
}

fn size(text: &str) -> Option<usize> {
    let (digits, unit) = split_unit(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = split_unit(text);
    let number = digits.parse().ok()?;
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::environment::KNOWN;
    use super::*;

    fn with(variable: &'static str, value: &'static str) -> Result<Builder, RuntimeError> {
        Builder::new().with_environment(|asked| (asked == variable).then(|| value.to_owned()))
    }

    #[test]
    fn the_environment_wins() {
        assert_eq!(with("FIBER_WORKERS", "3").unwrap().workers, Some(3));
        assert_eq!(with("FIBER_CPUS", "0-2,8").unwrap().cpus, Some(vec![0, 1, 2, 8]));
        assert_eq!(with("FIBER_STACK_SIZE", "64k").unwrap().stack_size, 65536);
        assert_eq!(with("FIBER_STACK_SIZE", "1 MiB").unwrap().stack_size, 1 << 20);
        assert_eq!(with("FIBER_NUMA", "1").unwrap().numa, Numa::Node(1));
        assert_eq!(with("FIBER_DRIVER", "io_uring").unwrap().driver, DriverKind::IoUring);
        assert_eq!(with("FIBER_BLOCKING_THREADS", "7").unwrap().blocking_threads, 7);
        assert_eq!(with("FIBER_NAME", "web").unwrap().name, "web");
        assert_eq!(with("FIBER_SHUTDOWN_TIMEOUT", "250ms").unwrap().shutdown_timeout, Duration::from_millis(250));
        assert!(with("FIBER_DUMP_ON_SIGQUIT", "1").unwrap().dump_on_sigquit);
        assert!(with("FIBER_MEASURE_STACKS", "1").unwrap().measure_stacks);
    }

    #[test]
    fn all_that_is_read_is_known() {
        let asked = std::cell::RefCell::new(Vec::new());
        let asking = |variable: &str| {
            asked.borrow_mut().push(variable.to_owned());
            None
        };
        let _ = Builder::new().with_environment(asking).unwrap();
        assert_eq!(*asked.borrow(), KNOWN);
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        assert_eq!(with("FIBER_WORKERS", "").unwrap().workers, None);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (variable, value) in [
            ("FIBER_WORKERS", "many"),
            ("FIBER_WORKERS", "0"),
            ("FIBER_WORKERS", "100000"),
            ("FIBER_CPUS", "first"),
            ("FIBER_STACK_SIZE", "7"),
            ("FIBER_STACK_SIZE", "64q"),
            ("FIBER_STACK_SIZE", "2g"),
            ("FIBER_STACK_SIZE", "99999999999999999999g"),
            ("FIBER_NUMA", "near"),
            ("FIBER_DRIVER", "kqueue"),
            ("FIBER_SHUTDOWN_TIMEOUT", "10"),
            ("FIBER_DUMP_ON_SIGQUIT", "yes"),
        ] {
            let error = with(variable, value).unwrap_err().to_string();
            assert!(error.contains(variable) && error.contains(value), "{error}");
        }
    }
}
