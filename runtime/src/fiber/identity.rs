//! What is asked of a fiber when it is spawned.

use super::locals::Locals;
use super::spans::Inherited;
use crate::Priority;
use crate::registry::Task;
use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What a record keeps of it.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) task: Option<&'static Task>,
    /// Where it was spawned, if somebody's code did it.
    pub(crate) site: Option<&'static Location<'static>>,
    /// Who answers for the fiber, if it is a scope's.
    pub(crate) parent: Option<Arc<dyn Parent>>,
    /// What few fibers have, apart, so that the others need not carry it.
    pub(crate) custom: Option<Box<Custom>>,
    /// The span that it starts in; moved out when the record is made.
    pub(crate) span: Inherited,
}

/// What is asked of a single fiber.
#[derive(Default)]
pub(crate) struct Custom {
    pub(crate) name: Option<Arc<str>>,
    /// Bytes of stack; `None` for the runtime's default.
    pub(crate) stack_size: Option<usize>,
    /// How long it may run before it is asked to yield; `None` for the runtime's default.
    pub(crate) timeslice: Option<Duration>,
    /// How urgent it is; `None` for what its task says.
    pub(crate) priority: Option<Priority>,
    /// Whether it may change its worker after it started, for which the spawner vouches; `None` if its task decides.
    pub(crate) migratable: Option<bool>,
    /// Variables that the fiber has from its spawner. Of types that may change threads, and nobody else has them.
    pub(crate) locals: Option<Box<Locals>>,
}

impl Identity {
    pub(crate) fn name(&self) -> Option<&str> {
        self.shared_name().map(|name| &**name)
    }

    pub(crate) fn shared_name(&self) -> Option<&Arc<str>> {
        self.custom.as_ref()?.name.as_ref()
    }

    pub(crate) fn stack_size(&self) -> Option<usize> {
        self.custom.as_ref()?.stack_size
    }

    pub(crate) fn is_migratable(&self) -> bool {
        let custom = self.custom.as_ref().and_then(|custom| custom.migratable);
        custom.unwrap_or_else(|| self.task.is_some_and(|task| task.attributes().migrate()))
    }

    pub(crate) fn timeslice(&self) -> Option<Duration> {
        let custom = self.custom.as_ref().and_then(|custom| custom.timeslice);
        custom.or_else(|| self.task?.attributes().timeslice())
    }

    /// How urgent the fiber was made. It may be more urgent for a while.
    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        if self.custom.is_none() && self.task.is_none() {
            return Priority::Normal;
        }
        self.asked_priority()
    }

    #[inline(never)]
    fn asked_priority(&self) -> Priority {
        let custom = self.custom.as_ref().and_then(|custom| custom.priority);
        custom.or_else(|| self.task?.attributes().priority()).unwrap_or_default()
    }
}

/// Whoever may not go on before its fibers have ended.
pub(crate) trait Parent: Send + Sync {
    /// A fiber panicked, and nobody joined it.
    fn child_panicked(&self, payload: Box<dyn Any + Send>);

    /// A fiber has ended; nothing that it borrowed is in use any more.
    fn child_ended(&self);
}
