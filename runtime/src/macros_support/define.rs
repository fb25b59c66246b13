//! How an expanded `#[fiber::task]` writes its descriptor: a constant expression of chained calls.

use std::time::Duration;

use crate::registry::{self, Attributes, Place, Task};
use crate::task::Migration;
use crate::{Numa, Priority};

/// A descriptor under construction.
#[derive(Clone, Copy, Debug)]
pub struct Definition(registry::Definition);

impl Definition {
    /// A task called `name`, with all attributes at their defaults. `path` is `module::name`; `version` that of the
    /// user's package; the place is the attribute's.
    #[must_use]
    pub const fn new(
        name: &'static str,
        path: &'static str,
        module: &'static str,
        version: Option<&'static str>,
        (file, line, column): (&'static str, u32, u32),
    ) -> Self {
        Self(registry::Definition {
            name,
            named: false,
            path,
            module,
            place: Place { file, line, column },
            version,
            generic: false,
            attributes: Attributes::DEFAULT,
        })
    }

    /// The name was chosen by `name = "..."`.
    #[must_use]
    pub const fn named(mut self) -> Self {
        self.0.named = true;
        self
    }

    /// The function has type or const parameters.
    #[must_use]
    pub const fn generic(mut self) -> Self {
        self.0.generic = true;
        self
    }

    /// `numa = "..."`.
    #[must_use]
    pub const fn numa(mut self, numa: Numa) -> Self {
        self.0.attributes.numa = Some(numa);
        self
    }

    /// `stack_size = "..."`, in bytes.
    #[must_use]
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.0.attributes.stack_size = Some(bytes);
        self
    }

    /// `priority = "..."`.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.0.attributes.priority = Some(priority);
        self
    }

    /// `timeslice = "..."`.
    #[must_use]
    pub const fn timeslice(mut self, timeslice: Duration) -> Self {
        self.0.attributes.timeslice = Some(timeslice);
        self
    }

    /// `checkpoints = true | false`.
    #[must_use]
    pub const fn checkpoints(mut self, checkpoints: bool) -> Self {
        self.0.attributes.checkpoints = checkpoints;
        self
    }

    /// `allow(path, ...)`.
    #[must_use]
    pub const fn allow(mut self, paths: &'static [&'static str]) -> Self {
        self.0.attributes.allowed = paths;
        self
    }

    /// `unsafe(migrate)`.
    #[must_use]
    pub const fn migrate(mut self, _: Vouched) -> Self
    where
        for<'a> &'a Self: Migration,
    {
        self.0.attributes.migrate = true;
        self
    }

    /// The descriptor, for a static.
    #[must_use]
    pub const fn task(self) -> Task {
        Task::new(self.0)
    }
}

/// Evidence that somebody vouched for a task that changes threads; only unsafe code can make one.
#[derive(Clone, Copy, Debug)]
pub struct Vouched(());

impl Vouched {
    /// # Safety
    ///
    /// Across every suspension point of the task's function and of everything it calls, the standard library and
    /// dependencies included, no value that is not `Send`, no reference to a thread-local, and no address derived from
    /// one (`errno` included) is live.
    #[must_use]
    // It has to be called in an `unsafe` block with the user's span: there `forbid(unsafe_code)` sees it.
    pub const unsafe fn by_the_author() -> Self {
        Self(())
    }
}
