//! Every function of the program that carries `#[fiber::task]`.
//!
//! The attribute leaves a [`Task`] in a static and submits it through the [`inventory`] crate, whose start-up functions
//! run before `main`. So the list is complete when the program starts, without any call, under these conditions:
//!
//! - A crate that no code of the program names is not linked, and its tasks are missing without a word. Name it once:
//!   `use that_crate as _;`. The dump says how many tasks are registered, so that a missing crate shows.
//! - A library loaded with `dlopen` after the first call of [`tasks`] is not in the list.
//!
//! The order in which they are submitted differs between builds, so the list is sorted by path.
//!
//! Paths need not be unique: inner functions of two functions, associated functions of two types in one module, and two
//! linked versions of one package rightly share them, and their places tell them apart. A name that was *chosen*, by
//! `#[fiber::task(name = "...")]`, is a promise that it names one task: if another task of the same module and package
//! version has that name too, starting a runtime fails with an error that names both places.
//!
//! This module owns the descriptors and their counters; spawning counts in them, start-up checks them and the dump
//! reads them. It calls nothing but the [`Builder`](crate::Builder) that a task's fibers are spawned with.
//!
//! # Examples
//!
//! ```standalone_crate
//! #[fiber::task]
//! fn fetch(url: String) -> usize {
//!     url.len()
//! }
//!
//! for task in fiber::registry::tasks() {
//!     println!("{task} at {}: {} running, {} done", task.place(), task.running(), task.done());
//! }
//! let task = fiber::registry::find("fetch").unwrap();
//! assert!(std::ptr::eq(task, fetch::TASK));
//! ```

mod counters;
mod task;

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::sync::OnceLock;

pub(crate) use task::Definition;
pub use task::{Attributes, Place, Task};

/// What an expanded attribute submits. A type of its own, because a submitted value is a constant and a [`Task`] has to
/// be a static.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration(&'static Task);

impl Registration {
    /// For code that `#[fiber::task]` writes.
    #[must_use]
    pub const fn new(task: &'static Task) -> Self {
        Self(task)
    }
}

inventory::collect!(Registration);

/// Every registered task, sorted by path, then by place.
///
/// The list is made by the first call, which allocates; later calls only return it. See the [module](self) for what can
/// be missing.
///
/// # Examples
///
/// ```
/// # #[fiber::task] fn fetch() {}
/// assert!(fiber::registry::tasks().iter().any(|task| task.name() == "fetch"));
/// ```
#[must_use]
pub fn tasks() -> &'static [&'static Task] {
    static TASKS: OnceLock<Vec<&'static Task>> = OnceLock::new();
    TASKS.get_or_init(|| sorted(inventory::iter::<Registration>.into_iter().map(|registration| registration.0)))
}

/// The task with this path (`"crawler::http::fetch"`), or with this name if only one task has it.
///
/// `None` if there is no such task, or if several share the path or the name: [`tasks`] lists those.
///
/// # Examples
///
/// ```standalone_crate
/// # #[fiber::task] fn fetch() {}
/// use fiber::registry;
///
/// let by_name = registry::find("fetch").unwrap();
/// let by_path = registry::find(by_name.path()).unwrap();
/// assert!(std::ptr::eq(by_name, by_path));
/// assert!(registry::find("no_such_task").is_none());
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static Task> {
    find_in(tasks(), name)
}

/// Whether every chosen name is the name of one task. Starting a runtime asks this.
pub(crate) fn check() -> Result<(), DuplicateTask> {
    check_in(tasks())
}

fn sorted(tasks: impl Iterator<Item = &'static Task>) -> Vec<&'static Task> {
    let mut tasks: Vec<_> = tasks.collect();
    tasks.sort_by_key(|task| (task.path(), task.definition.version, task.place()));
    tasks
}

fn find_in(tasks: &[&'static Task], name: &str) -> Option<&'static Task> {
    let only = |by: fn(&Task) -> &'static str| {
        let mut found = tasks.iter().filter(|task| by(task) == name);
        found.next().filter(|_| found.next().is_none()).copied()
    };
    only(Task::path).or_else(|| only(Task::name))
}

fn check_in(tasks: &[&'static Task]) -> Result<(), DuplicateTask> {
    // Sorted by path and version, those that share both are neighbours.
    let shares_name = |a: &Task, b: &Task| a.path() == b.path() && a.definition.version == b.definition.version;
    for same in tasks.chunk_by(|a, b| shares_name(a, b)) {
        if same.len() > 1 && same.iter().any(|task| task.definition.named) {
            return Err(DuplicateTask { path: same[0].path(), first: same[0].place(), second: same[1].place() });
        }
    }
    Ok(())
}

/// Two tasks of one module have the same name, which at least one of them chose by `#[fiber::task(name = "...")]`.
///
/// Starting a runtime reports it. The message names both places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateTask {
    path: &'static str,
    first: Place,
    second: Place,
}

impl DuplicateTask {
    /// The path that both have.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Where the two tasks are.
    #[must_use]
    pub fn places(&self) -> [Place; 2] {
        [self.first, self.second]
    }
}

impl Display for DuplicateTask {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two tasks are called `{}`: the one at {} and the one at {}; give one of them another name with \
             `#[fiber::task(name = \"...\")]`",
            self.path, self.first, self.second
        )
    }
}

impl Error for DuplicateTask {}

#[cfg(test)]
mod tests {
    use super::{Attributes, Definition, Place, Task, check_in, find_in, sorted};

    fn task(name: &'static str, path: &'static str, named: bool, line: u32) -> &'static Task {
        versioned(name, path, named, line, "1.0.0")
    }

    fn versioned(
        name: &'static str,
        path: &'static str,
        named: bool,
        line: u32,
        version: &'static str,
    ) -> &'static Task {
        Box::leak(Box::new(Task::new(Definition {
            name,
            named,
            path,
            module: "app",
            place: Place { file: "src/app.rs", line, column: 5 },
            version: Some(version),
            generic: false,
            attributes: Attributes::DEFAULT,
        })))
    }

    fn registered(tasks: &[&'static Task]) -> Vec<&'static Task> {
        sorted(tasks.iter().copied())
    }

    #[test]
    fn the_list_is_sorted_by_path_whatever_the_linker_did() {
        let tasks = registered(&[
            task("b", "app::b", false, 1),
            task("a", "app::z::a", false, 2),
            task("a", "app::a", false, 9),
            task("a", "app::a", false, 3),
        ]);
        let order: Vec<_> = tasks.iter().map(|task| (task.path(), task.line())).collect();
        assert_eq!(order, [("app::a", 3), ("app::a", 9), ("app::b", 1), ("app::z::a", 2)]);
    }

    #[test]
    fn found_by_path_or_by_unique_name() {
        let one = task("one", "app::one", false, 1);
        let here = task("two", "app::two", false, 2);
        let there = task("two", "app::there::two", false, 3);
        let tasks = registered(&[one, here, there]);
        assert!(std::ptr::eq(find_in(&tasks, "one").unwrap(), one));
        assert!(std::ptr::eq(find_in(&tasks, "app::one").unwrap(), one));
        assert!(std::ptr::eq(find_in(&tasks, "app::there::two").unwrap(), there));
        assert!(find_in(&tasks, "two").is_none(), "two tasks are called so");
        assert!(find_in(&tasks, "three").is_none());
    }

    #[test]
    fn a_chosen_name_twice_is_an_error_that_names_both_places() {
        let tasks = registered(&[
            task("run", "app::run", true, 20),
            task("other", "app::other", false, 15),
            task("run", "app::run", false, 10),
        ]);
        let error = check_in(&tasks).unwrap_err();
        assert_eq!(error.path(), "app::run");
        assert_eq!(
            error.to_string(),
            "two tasks are called `app::run`: the one at src/app.rs:10:5 and the one at src/app.rs:20:5; give one of \
             them another name with `#[fiber::task(name = \"...\")]`"
        );
    }

    #[test]
    fn inner_functions_and_versions_may_share_a_path() {
        let inner = [task("step", "app::step", false, 1), task("step", "app::step", false, 2)];
        assert_eq!(check_in(&registered(&inner)), Ok(()));
        let versions =
            [versioned("step", "app::step", true, 1, "1.0.0"), versioned("step", "app::step", true, 1, "2.0.0")];
        assert_eq!(check_in(&registered(&versions)), Ok(()));
    }

    #[test]
    fn the_stack_high_water_mark_only_rises() {
        let task = task("one", "app::one", false, 1);
        assert_eq!(task.stack_high_water(), None);
        task.saw_stack_use(8192);
        task.saw_stack_use(4096);
        assert_eq!(task.stack_high_water(), Some(8192));
    }
}
