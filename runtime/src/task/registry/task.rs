//! The descriptor that `#[fiber::task]` makes of a function.

use std::fmt::{self, Display, Formatter};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::counters::Counters;
use crate::{Builder, Numa, Priority};

/// A function that carries `#[fiber::task]`: its name, its place in the source, its attributes, and how many of its
/// fibers are queued, running, done.
///
/// There is one for each annotated function, in a static; a generic function has one for all its instances. It is
/// reached as `fetch::TASK` (for an associated function, `Self::FETCH_TASK`), or through [`tasks`](super::tasks) and
/// [`find`](super::find). All of it may be read from anywhere, on fibers and off, at any time; nothing here blocks.
///
/// # Examples
///
/// ```
/// #[fiber::task(stack_size = "64k")]
/// fn fetch(url: String) -> usize {
///     url.len()
/// }
///
/// assert_eq!(fetch::TASK.name(), "fetch");
/// assert!(fetch::TASK.path().ends_with("::fetch"));
/// assert_eq!(fetch::TASK.attributes().stack_size(), Some(64 * 1024));
/// ```
#[derive(Debug)]
pub struct Task {
    pub(super) definition: Definition,
    counters: Counters,
    /// Bytes of stack that any fiber of this task was seen to use; 0 while none was measured.
    stack_high_water: AtomicUsize,
}

impl Task {
    /// The task's name: the function's, or what `#[fiber::task(name = "...")]` says.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// The module's path and the [name](Self::name): `"crawler::http::fetch"`.
    ///
    /// Neither the type of an associated function nor the function around an inner one is part of it, so two tasks can
    /// have the same path; their [places](Self::place) tell them apart. Paths with a name chosen by
    /// `name = "..."` are unique.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.definition.path
    }

    /// The path of the module that has the function, as [`module_path!`] gives it.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.definition.module
    }

    /// The source file, as [`file!`] gives it.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.definition.place.file
    }

    /// The line of the attribute in [`file`](Self::file), from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.definition.place.line
    }

    /// The column of the attribute in its [`line`](Self::line), from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.definition.place.column
    }

    /// File, line and column, as the compiler prints them: `src/http.rs:12:1`.
    #[must_use]
    pub fn place(&self) -> Place {
        self.definition.place
    }

    /// What the attribute's arguments ask for.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.definition.attributes
    }

    /// Whether the function has type or const parameters (or `impl Trait` arguments), so that this one descriptor
    /// stands for a family of functions.
    #[must_use]
    pub fn is_generic(&self) -> bool {
        self.definition.generic
    }

    /// How many fibers of this task are spawned and have not started.
    ///
    /// This number and the next three are read one after another while fibers run: each is right for some moment
    /// during the call, together they may be a few fibers apart.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.counters.queued()
    }

    /// How many fibers of this task have started and not ended, waiting ones included.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.counters.running()
    }

    /// How many fibers of this task ended otherwise than by a panic, since the process started.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.counters.done()
    }

    /// How many fibers of this task ended by a panic, since the process started.
    #[must_use]
    pub fn panicked(&self) -> u64 {
        self.counters.panicked()
    }

    /// The most bytes of stack that a fiber of this task was seen to use, or `None` if no fiber was measured.
    #[must_use]
    pub fn stack_high_water(&self) -> Option<usize> {
        match self.stack_high_water.load(Ordering::Relaxed) {
            0 => None,
            bytes => Some(bytes),
        }
    }

    /// A [`Builder`] with this task's attributes, whose fibers count as this task's.
    ///
    /// `fetch::builder()` is the same; this is for associated functions and for tasks found in the registry.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[fiber::task] fn fetch() {}
    /// let builder: fiber::Builder = fetch::TASK.builder().name("the first fetch");
    /// # drop(builder);
    /// ```
    pub fn builder(&'static self) -> Builder {
        Builder::for_task(self)
    }

    pub(crate) const fn new(definition: Definition) -> Self {
        Self { definition, counters: Counters::new(), stack_high_water: AtomicUsize::new(0) }
    }

    /// Where the scheduler counts this task's fibers.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A fiber of this task was seen to have used `bytes` of its stack.
    pub(crate) fn saw_stack_use(&self, bytes: usize) {
        self.stack_high_water.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl Display for Task {
    /// The [path](Task::path).
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.path())
    }
}

/// What the arguments of `#[fiber::task]` ask for. `None` stands for an argument that was not given: the runtime's
/// setting holds.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// #[fiber::task(priority = "low", timeslice = "500us")]
/// fn sweep() {}
///
/// let attributes = sweep::TASK.attributes();
/// assert_eq!(attributes.priority(), Some(fiber::Priority::Low));
/// assert_eq!(attributes.timeslice(), Some(Duration::from_micros(500)));
/// assert_eq!(attributes.numa(), None);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    pub(crate) numa: Option<Numa>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) priority: Option<Priority>,
    pub(crate) timeslice: Option<Duration>,
    pub(crate) checkpoints: bool,
    pub(crate) migrate: bool,
    pub(crate) allowed: &'static [&'static str],
}

impl Attributes {
    pub(crate) const DEFAULT: Self = Self {
        numa: None,
        stack_size: None,
        priority: None,
        timeslice: None,
        checkpoints: true,
        migrate: false,
        allowed: &[],
    };

    /// `numa = "..."`: where its fibers start.
    #[must_use]
    pub fn numa(&self) -> Option<Numa> {
        self.numa
    }

    /// `stack_size = "..."`: the stack reserved for each of its fibers, in bytes.
    #[must_use]
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// `priority = "..."`: how urgent its fibers are.
    #[must_use]
    pub fn priority(&self) -> Option<Priority> {
        self.priority
    }

    /// `timeslice = "..."`: how long one of its fibers may run before a checkpoint yields.
    #[must_use]
    pub fn timeslice(&self) -> Option<Duration> {
        self.timeslice
    }

    /// Whether loops in the function get checkpoints: `false` after `checkpoints = false`.
    #[must_use]
    pub fn checkpoints(&self) -> bool {
        self.checkpoints
    }

    /// Whether the author vouched, by `unsafe(migrate)`, that started fibers of this task may change their thread.
    /// In effect with the feature `migrate`.
    #[must_use]
    pub fn migrate(&self) -> bool {
        self.migrate
    }

    /// `allow(path, ...)`: the blocking items that the function may call, as written.
    #[must_use]
    pub fn allowed(&self) -> &'static [&'static str] {
        self.allowed
    }
}

/// A place in the source; its [`Display`] is the compiler's form, `src/http.rs:12:1`.
///
/// # Examples
///
/// ```
/// # #[fiber::task] fn fetch() {}
/// let place = fetch::TASK.place();
/// assert_eq!(place.to_string(), format!("{}:{}:{}", place.file(), place.line(), place.column()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The source file, as [`file!`] gives it.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What an expanded attribute says about its function: the part of a [`Task`] that never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    /// Whether `name` was chosen by `name = "..."`, and so has to be unique in its module.
    pub(crate) named: bool,
    pub(crate) path: &'static str,
    pub(crate) module: &'static str,
    pub(crate) place: Place,
    /// The version of the package with the function: two versions of one package may be linked into one program.
    pub(crate) version: Option<&'static str>,
    pub(crate) generic: bool,
    pub(crate) attributes: Attributes,
}
