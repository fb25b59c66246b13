//! Without the feature `internals`: nothing, at no cost.

use super::super::current::Current;

/// Counts nothing.
pub(in crate::sched) struct Points;

impl Points {
    pub(in crate::sched) fn new() -> Points {
        Points
    }

    #[inline(always)]
    pub(in crate::sched) fn pass(&self, _: Current<'_>) {}
}
