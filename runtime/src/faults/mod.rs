//! Every operation fails once, at every position, in every way: and programs still keep their promises.
//!
//! A *scenario* is a small program on one worker. It is run with a [`Plan`] that lets the first of its operations fail, then with one for the
//! second, and so on, until a run ends that the fault did not meet. Each step of a scenario that fails is made again ([`Notes::again`]), and
//! then everything must have come out as if nothing had happened: no byte lost that was reported as written, none doubled. After each
//! run the scenario goes once more, without a fault, in the same runtime; and when that has ended, nothing is left of
//! it: no operation in flight, no descriptor, no memory, no child.
//!
//! Each test is run in a process of its own, because it counts what belongs to the process.
#![allow(unsafe_code, reason = "an allocator that counts")]

mod cancellations;
mod files;
mod limits;
mod memory;
mod peers;
mod processes;

use crate::driver::faulty::{Fault, Plan};
use crate::driver::{DriverConfig, DriverKind};
use crate::fiber::stack::child::{assert_passed, rerun};
use crate::runtime::Builder;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After this long a scenario has hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Faults of which nobody may notice anything: a transfer goes on, a wait is begun again.
const UNNOTICED: [Fault; 11] = [
    Fault::Error(libc::EINTR),
    Fault::Short,
    Fault::Late(1),
    Fault::Late(7),
    Fault::Spurious,
    Fault::Refused(libc::EINTR),
    Fault::Refused(libc::EAGAIN),
    Fault::Refused(libc::EBUSY),
    // Of `io_uring_enter`. That of `epoll_ctl` is told.
    Fault::Refused(libc::ENOMEM),
    Fault::Refused(libc::ENOSPC),
    Fault::None,
];

/// Faults that are told, as what they are, by the call that met them.
const TOLD: [Fault; 9] = [
    Fault::Error(libc::ENOMEM),
    Fault::Error(libc::ECANCELED),
    Fault::Error(libc::EIO),
    Fault::Error(libc::EAGAIN),
    Fault::Error(libc::EMFILE),
    Fault::Error(libc::ENFILE),
    Fault::Error(libc::ENOSPC),
    Fault::Error(libc::ECONNABORTED),
    Fault::Thread,
];

/// What a scenario has.
struct Notes {
    /// Errors that its steps gave.
    errors: Mutex<Vec<io::Error>>,
    folder: PathBuf,
}

impl Notes {
    fn note(&self, error: io::Error) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    /// Makes a step, and if it fails, makes it again.
    fn again<T>(&self, mut step: impl FnMut() -> io::Result<T>) -> T {
        step().unwrap_or_else(|error| {
            self.note(error);
            step().expect("a step succeeds after the one fault")
        })
    }

    /// Makes a transfer, and if a signal comes between, which std tells too, makes it again; so too if it fails.
    fn transfer<T>(&self, mut step: impl FnMut() -> io::Result<T>) -> T {
        self.again(|| {
            loop {
                match step() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                    result => return result,
                }
            }
        })
    }

    /// Writes all of it, with as many calls as it takes.
    fn put(&self, to: &mut impl io::Write, mut data: &[u8]) {
        while !data.is_empty() {
            let written = self.transfer(|| to.write(data));
            assert_ne!(written, 0);
            data = &data[written..];
        }
    }

    /// Reads so much, or up to the end.
    fn take(&self, from: &mut impl io::Read, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        let mut got = 0;
        while got < len {
            match self.transfer(|| from.read(&mut data[got..])) {
                0 => break,
                read => got += read,
            }
        }
        data.truncate(got);
        data
    }
}

/// A program that is to survive.
type Scenario = fn(&Notes);

/// The body of a test: `scenario` under every fault at every position, on every driver, in a process of its own.
fn survives(module: &str, name: &str, scenario: Scenario) {
    if let Some(output) = rerun(module, name) {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        return assert_passed(&output);
    }
    // A part of a scenario that panics would leave the others waiting.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        eprintln!(
            "in the run: {}",
            WATCHED.lock().map(|it| it.as_ref().map(|it| it.0.what.clone())).ok().flatten().unwrap_or_default()
        );
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(101) };
    }));
    let folder = std::env::temp_dir().join(format!("fiber-faults-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    for kind in [DriverKind::IoUring, DriverKind::Epoll] {
        let made = Builder::new().workers(1).held_limit(None).driver(kind).build();
        if !made.is_ok_and(|runtime| runtime.handle().driver() == kind) {
            println!("{kind:?} is not to be had, or the environment wants the other");
            continue;
        }
        // What is made once for the process is made here.
        for _ in 0..3 {
            run(kind, Fault::None, 0, scenario, &folder);
        }
        let (before, mut runs) = (Left::now(), 0);
        for fault in UNNOTICED.into_iter().chain(TOLD) {
            let mut at = 0;
            while run(kind, fault, at, scenario, &folder) {
                at += 1;
                assert!(at < 10_000, "{fault:?} meets the scenario without end");
            }
            runs += at + 1;
        }
        before.is_all(runs);
        println!("{name}, {kind:?}: {runs} runs");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Runs the scenario with this fault, and then once more, without; whether it met the fault.
fn run(kind: DriverKind, fault: Fault, at: usize, scenario: Scenario, folder: &Path) -> bool {
    // A ring that is full after every other operation, now and then.
    let small = at % 2 == 1;
    let plan = Plan::new(fault, at);
    // A report of a held worker would leave memory in use: what it has read of the program's symbols.
    let mut builder = Builder::new().workers(1).held_limit(None).driver(kind).shutdown_timeout(LIMIT);
    builder.driver_config = DriverConfig { plan: Some(plan.clone()), ..DriverConfig::default() };
    if small {
        builder.driver_config.submission_entries = 2;
        builder.driver_config.completion_entries = 4;
    }
    let what = || match plan.struck() {
        Some(operation) => format!("{kind:?}, {fault:?} at {at}, {operation}"),
        None => format!("{kind:?}, {fault:?} at {at}, not met"),
    };
    let watch = Watch::over(format!("{kind:?}, {fault:?} at {at}"));
    let runtime = builder.build().unwrap();
    watch.shows(runtime.handle());
    let errors: Vec<io::Error> = runtime.run(|| {
        let notes = Notes { errors: Mutex::default(), folder: folder.to_owned() };
        scenario(&notes);
        notes.errors.into_inner().unwrap_or_else(PoisonError::into_inner)
    });
    let met = plan.struck().is_some();
    let wanted = match fault {
        Fault::Error(errno) | Fault::Refused(errno) => errno,
        _ => libc::EAGAIN,
    };
    let told = TOLD.contains(&fault) || (kind == DriverKind::Epoll && matches!(fault, Fault::Refused(_)));
    for error in &errors {
        assert!(told, "{}: nobody was to notice: {error:?}", what());
        assert_eq!(error.raw_os_error(), Some(wanted), "{}: an error that says something else: {error:?}", what());
    }
    assert!(errors.len() <= 1, "{}: one fault, one error: {errors:?}", what());
    let notes = Notes { errors: Mutex::default(), folder: folder.to_owned() };
    let notes = &notes;
    if met {
        runtime.run(move || scenario(notes));
        let errors = notes.errors.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(errors.is_empty(), "{}: the fault is over: {errors:?}", what());
    }
    runtime.shutdown(LIMIT).unwrap();
    assert_eq!(plan.left_in_flight(), 0, "{}: operations are left in flight", what());
    let children = children();
    assert!(children.is_empty(), "{}: children are left: {children:?}", what());
    met
}

/// What a process has.
#[derive(Debug)]
struct Left {
    descriptors: usize,
    allocations: isize,
}

impl Left {
    fn now() -> Left {
        Left { descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(), allocations: memory::live() }
    }

    /// That this is all there is, after so many runs. A leak of one allocation in each would show twice over; tables that are kept grow
    /// now and then.
    fn is_all(&self, runs: usize) {
        let allowed = (runs / 2).max(20) as isize;
        // Threads of the pool end in their own time.
        let begin = Instant::now();
        let now = loop {
            let now = Left::now();
            let fine = now.allocations - self.allocations < allowed && now.descriptors == self.descriptors;
            if fine || begin.elapsed() > LIMIT / 2 {
                break now;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(now.descriptors, self.descriptors, "descriptors are left");
        assert!(
            now.allocations - self.allocations < allowed,
            "memory is left after {runs} runs: {self:?}, now {now:?}"
        );
    }
}

/// The children of this process, ended ones that nobody waited for included.
fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Says where a run hangs, and ends the process.
struct Watch(Arc<Watched>);

struct Watched {
    what: String,
    runtime: Mutex<Option<crate::runtime::Handle>>,
}

static WATCHED: Mutex<Option<(Arc<Watched>, Instant)>> = Mutex::new(None);
static WATCHING: AtomicUsize = AtomicUsize::new(0);

impl Watch {
    fn over(what: String) -> Watch {
        if WATCHING.swap(1, SeqCst) == 0 {
            std::thread::spawn(|| {
                loop {
                    std::thread::sleep(Duration::from_secs(1));
                    let watched = WATCHED.lock().unwrap();
                    let Some((watched, since)) = &*watched else { continue };
                    if since.elapsed() > LIMIT {
                        let runtime = watched.runtime.lock().unwrap().clone();
                        eprintln!(
                            "hangs: {}\n{}",
                            watched.what,
                            runtime.map(|it| it.dump().to_string()).unwrap_or_default()
                        );
                        std::process::abort();
                    }
                }
            });
        }
        let watched = Arc::new(Watched { what, runtime: Mutex::new(None) });
        *WATCHED.lock().unwrap() = Some((watched.clone(), Instant::now()));
        Watch(watched)
    }

    fn shows(&self, runtime: crate::runtime::Handle) {
        *self.0.runtime.lock().unwrap() = Some(runtime);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
