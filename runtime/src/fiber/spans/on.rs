//! With the feature `tracing`.
#![deny(unsafe_code)]

use crate::fiber::record::drop_quietly;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::Span;
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;

/// More spans than a fiber leaves: a bound for subscribers that go on naming a span which was exited.
const DEEPEST: usize = 1024;

/// Whether no subscriber wants anything, and so nobody is in a span.
#[inline(always)]
fn nobody_listens() -> bool {
    LevelFilter::current() == LevelFilter::OFF
}

/// The span that the caller is in.
#[cfg_attr(feature = "migrate", inline(never))]
fn current_span() -> Span {
    Span::current()
}

/// The span that a fiber starts in.
#[derive(Default)]
pub(crate) struct Inherited(Option<Box<Span>>);

impl Inherited {
    /// The caller's.
    #[inline]
    pub(crate) fn current() -> Inherited {
        if nobody_listens() {
            return Inherited(None);
        }
        let span = current_span();
        Inherited((!span.is_none()).then(|| Box::new(span)))
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

/// What a fiber keeps.
#[derive(Default)]
pub(crate) struct Spans {
    inherited: Cell<Option<Box<Span>>>,
    moving: Cell<Moving>,
}

/// Whether the fiber is in a subscriber because it suspends or goes on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Moving {
    #[default]
    No,
    Yes,
    /// And it has suspended in there.
    Suspended,
}

/// The spans that a fiber has left, the innermost first.
pub(crate) struct Left(Option<(Dispatch, Vec<Id>)>);

impl Spans {
    #[inline]
    pub(crate) fn new(inherited: Inherited) -> Spans {
        Spans { inherited: Cell::new(inherited.0), moving: Cell::default() }
    }

    /// Whether nothing is kept that is to be dropped.
    #[inline]
    pub(crate) fn is_none(&mut self) -> bool {
        self.inherited.get_mut().is_none()
    }

    /// Runs `f`, all that the fiber does, in the span that it inherited. Afterwards it is in none.
    #[inline]
    pub(crate) fn during<T>(&self, f: impl FnOnce() -> T) -> T {
        let span = self.inherited.take();
        let value = match &span {
            Some(span) => {
                // Without a guard: what leaves it below also leaves the spans that users forgot to leave.
                self.quietly(|| span.with_subscriber(|(id, dispatch)| dispatch.enter(id)));
                f()
            }
            None => f(),
        };
        if !nobody_listens() {
            drop(self.leave_all());
        }
        drop_quietly(span);
        value
    }

    /// Leaves the fiber's spans: it is about to suspend. `None` if it has suspended already, in its subscriber, and must not now.
    #[inline]
    pub(crate) fn leave(&self) -> Option<Left> {
        if nobody_listens() {
            return Some(Left(None));
        }
        self.leave_slowly()
    }

    // Out of line, with what asks for the thread's dispatcher: the fiber may go on on another thread.
    #[cfg_attr(feature = "migrate", inline(never))]
    fn leave_slowly(&self) -> Option<Left> {
        if self.moving.get() != Moving::No {
            self.moving.set(Moving::Suspended);
            return Some(Left(None));
        }
        let (left, suspended) = self.leave_all();
        if suspended {
            self.enter(left);
            return None;
        }
        Some(left)
    }

    /// What was left, and whether the fiber has suspended meanwhile.
    #[cfg_attr(feature = "migrate", inline(never))]
    fn leave_all(&self) -> (Left, bool) {
        self.moving.set(Moving::Yes);
        let mut left = Vec::new();
        // Not within `get_default`: the subscriber may ask for the default itself.
        let dispatch = dispatcher::get_default(Dispatch::clone);
        self.quietly(|| {
            while left.len() < DEEPEST
                && let Some(id) = dispatch.current_span().id()
            {
                dispatch.exit(id);
                left.push(id.clone());
            }
        });
        let suspended = self.moving.replace(Moving::No) == Moving::Suspended;
        (Left((!left.is_empty()).then_some((dispatch, left))), suspended)
    }

    /// Enters the spans again: the fiber goes on.
    #[inline]
    pub(crate) fn enter(&self, left: Left) {
        if let Some((dispatch, ids)) = left.0 {
            self.enter_all(&dispatch, &ids);
        }
    }

    #[cfg_attr(feature = "migrate", inline(never))]
    fn enter_all(&self, dispatch: &Dispatch, ids: &[Id]) {
        self.moving.set(Moving::Yes);
        self.quietly(|| ids.iter().rev().for_each(|id| dispatch.enter(id)));
        self.moving.set(Moving::No);
    }

    /// Calls the subscriber where nothing may unwind: the kernel, and other fibers, may use what stands on this stack.
    fn quietly<T>(&self, f: impl FnOnce() -> T) {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(value) => drop(value),
            Err(panic) => drop_quietly(panic),
        }
    }
}

/// `f`, to be called elsewhere on behalf of the caller: in the caller's span.
#[inline]
pub(crate) fn carried<T, F: FnOnce() -> T>(f: F) -> impl FnOnce() -> T + use<T, F> {
    let span = if nobody_listens() { Span::none() } else { current_span() };
    move || span.in_scope(f)
}
