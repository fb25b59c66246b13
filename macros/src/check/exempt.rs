//! Exemptions, and whether each is needed.

use proc_macro2::TokenStream;

use super::walk::{Seen, Walk};

/// What an exemption asks of the calls that it covers.
#[derive(Clone, Copy)]
pub(super) struct Exempt {
    /// It covers a single call with a suspicious name: that one has to block.
    pub(super) single: bool,
}

impl Walk<'_> {
    /// `visit`s what the exemption at `at` covers: once to count, and again if what is there can be asked.
    pub(super) fn exempted(&mut self, at: &TokenStream, mut visit: impl FnMut(&mut Self)) {
        let (outside, seen) = (self.seen, self.checkpoints);
        self.checkpoints = seen.suspended();
        self.seen = Seen::default();
        self.exempt = Some(Exempt { single: false });
        visit(self);
        let Seen { named, perhaps, .. } = self.seen;
        match (named, perhaps) {
            (0, 0) => self.mistakes.at(at, "nothing here is known to block: this exemption is not needed"),
            (1, 0) => {
                self.exempt = Some(Exempt { single: true });
                visit(self);
            }
            _ => {}
        }
        let rewritten = outside.rewritten + self.seen.rewritten;
        self.seen = Seen { rewritten, ..outside };
        self.exempt = None;
        self.checkpoints = seen;
    }
}
