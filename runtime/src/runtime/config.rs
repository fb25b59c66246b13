//! How a runtime is to be set up: from code, and from the environment, which wins.

use super::error::{Cause, RuntimeError};
use super::handle::Runtime;
use crate::Numa;
use crate::driver::DriverKind;
use crate::fiber::stack::SizeClass;
use crate::sys::cpu;
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
/// | [`workers`](Self::workers) | `FIBER_WORKERS` | the processors that the process may use |
/// | [`stack_size`](Self::stack_size) | `FIBER_STACK_SIZE` | 256 KiB |
/// | [`numa`](Self::numa) | `FIBER_NUMA` | `any` |
/// | [`driver`](Self::driver) | `FIBER_DRIVER` | `auto` |
/// | [`blocking_threads`](Self::blocking_threads) | `FIBER_BLOCKING_THREADS` | 512 |
/// | [`name`](Self::name) | `FIBER_NAME` | `fiber` |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | `FIBER_SHUTDOWN_TIMEOUT` | 10 s |
/// | [`dump_on_sigquit`](Self::dump_on_sigquit) | `FIBER_DUMP_ON_SIGQUIT` | no |
/// | [`measure_stacks`](Self::measure_stacks) | `FIBER_MEASURE_STACKS` | no |
///
/// Sizes are written `65536`, `64k`, `1m`; durations `500us`, `10ms`, `2s`; switches `0` or `1`.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Builder::new().workers(2).stack_size(64 * 1024).name("search").build()?;
/// assert_eq!(runtime.run(|| 1), 1);
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    pub(super) workers: Option<usize>,
    pub(super) stack_size: usize,
    pub(super) numa: Numa,
    pub(super) driver: DriverKind,
    pub(super) blocking_threads: usize,
    pub(super) name: String,
    pub(super) shutdown_timeout: Duration,
    pub(super) dump_on_sigquit: bool,
    pub(super) measure_stacks: bool,
    /// The driver in particular, but for its kind.
    #[cfg(test)]
    pub(crate) driver_config: crate::driver::DriverConfig,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            workers: None,
            stack_size: SizeClass::DEFAULT.size(),
            numa: Numa::default(),
            driver: DriverKind::default(),
            blocking_threads: 512,
            name: "fiber".to_owned(),
            shutdown_timeout: Duration::from_secs(10),
            dump_on_sigquit: false,
            measure_stacks: false,
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

    /// Bytes of address space for the stack of a fiber that asks for none, rounded up to a power of two; at least 16 KiB.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = bytes;
        self
    }

    /// Where fibers that do not say may start. **Not yet in effect**: kept, and shown by `Debug`.
    pub fn numa(mut self, numa: Numa) -> Builder {
        self.numa = numa;
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

    /// Starts the runtime: its workers are up when this returns.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a property cannot be had, an environment variable cannot be understood, the kernel refuses the driver
    /// that is asked for, or two tasks chose the same name.
    pub fn build(self) -> Result<Runtime, RuntimeError> {
        let builder = self.with_environment(|variable| std::env::var(variable).ok())?;
        match builder.workers {
            Some(0) => return Err(Cause::NoWorkers.into()),
            Some(workers) if workers > MOST_WORKERS => return Err(Cause::TooManyWorkers(workers).into()),
            _ => (),
        }
        if builder.blocking_threads == 0 {
            return Err(Cause::NoBlockingThreads.into());
        }
        super::launch::launch(builder)
    }

    /// How many workers there will be.
    pub(super) fn worker_count(&self) -> usize {
        self.workers.unwrap_or_else(cpu::allowance)
    }

    fn with_environment(mut self, read: impl Fn(&str) -> Option<String>) -> Result<Builder, RuntimeError> {
        let environment = Environment(read);
        let workers = |workers| self.workers = Some(workers);
        environment.apply("FIBER_WORKERS", "a number from 1 to 4096", worker_count, workers)?;
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
        Ok(self)
    }
}

struct Environment<R>(R);

impl<R: Fn(&str) -> Option<String>> Environment<R> {
    fn apply<T>(
        &self,
        variable: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        set: impl FnOnce(T),
    ) -> Result<(), RuntimeError> {
        // An empty variable is one that a script forgot to fill, not a value.
        let Some(value) = (self.0)(variable).filter(|value| !value.is_empty()) else {
            return Ok(());
        };
        match parse(value.trim()) {
            Some(parsed) => set(parsed),
            None => return Err(Cause::Environment { variable, value, expected }.into()),
        }
        Ok(())
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
    use super::*;

    fn with(variable: &'static str, value: &'static str) -> Result<Builder, RuntimeError> {
        Builder::new().with_environment(|asked| (asked == variable).then(|| value.to_owned()))
    }

    #[test]
    fn the_environment_wins() {
        assert_eq!(with("FIBER_WORKERS", "3").unwrap().workers, Some(3));
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
    fn an_empty_variable_says_nothing() {
        assert_eq!(with("FIBER_WORKERS", "").unwrap().workers, None);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (variable, value) in [
            ("FIBER_WORKERS", "many"),
            ("FIBER_WORKERS", "0"),
            ("FIBER_WORKERS", "100000"),
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
