//! Without the feature `migrate`: nothing, at no cost.
#![deny(unsafe_code)]

/// What a fiber carries that may move: there is none.
pub(crate) struct Roam;

impl Roam {
    #[inline(always)]
    pub(crate) fn new(_: bool) -> Roam {
        Roam
    }

    #[inline(always)]
    pub(crate) fn is_migratable(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn is_fresh(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn bind(&self, _: usize) {}
}

/// What ties a fiber to its worker, where it stays anyway.
#[derive(Default)]
pub(crate) struct Ties;

impl Ties {
    #[inline(always)]
    pub(crate) fn tie(&self) {}

    #[inline(always)]
    pub(crate) fn untie(&self) {}

    #[inline(always)]
    pub(crate) fn pin(&self) {}
}
