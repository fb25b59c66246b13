//! Without the feature `internals`: nothing, at no cost.

use super::super::current::Current;

/// Counts nothing.
#[derive(Default)]
pub(in crate::sched) struct Points {}

impl Points {
    #[inline(always)]
    pub(in crate::sched) fn pass(&self, _: Current<'_>) {}
}
