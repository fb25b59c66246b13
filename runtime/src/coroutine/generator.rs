//! Coroutines as iterators.

use super::raw::Raw;
use super::{Builder, CoroutineState, ScopedGenerator, Yielder};
use std::fmt;
use std::iter::FusedIterator;

/// An iterator written as a function: each [`suspend`](Yielder::suspend) hands out an item, the end of the function is the end.
///
/// A coroutine in all other respects; works on fibers and on threads, see the [module](super). `next` runs the body up to its next
/// item; it panics with the body's panic, after which there are no more items, and if another fiber has started the generator.
///
/// # Examples
///
/// The leaves of a tree, by the recursion that one would write to print them:
///
/// ```
/// use fiber::coroutine::{Generator, Yielder};
///
/// enum Tree {
///     Leaf(u32),
///     Node(Box<[Tree; 2]>),
/// }
///
/// fn leaves(tree: &Tree, yielder: &Yielder<(), u32>) {
///     match tree {
///         Tree::Leaf(value) => yielder.suspend(*value),
///         Tree::Node(children) => children.iter().for_each(|child| leaves(child, yielder)),
///     }
/// }
///
/// let tree = Tree::Node(Box::new([Tree::Leaf(1), Tree::Node(Box::new([Tree::Leaf(2), Tree::Leaf(3)]))]));
/// let leaves = Generator::new(move |yielder| leaves(&tree, yielder));
/// assert_eq!(leaves.collect::<Vec<_>>(), [1, 2, 3]);
/// ```
///
/// On a fiber the body may wait like any other code:
///
/// ```
/// use fiber::coroutine::Generator;
/// use std::time::Duration;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let ticks = Generator::new(|yielder| {
///     for tick in 1..=3 {
///         fiber::time::sleep(Duration::from_millis(1));
///         yielder.suspend(tick);
///     }
/// });
/// assert_eq!(ticks.sum::<i32>(), 6);
/// # });
/// ```
#[must_use = "generators are lazy and do nothing unless consumed"]
pub struct Generator<T>(pub(super) Raw<(), T, ()>);

impl<T: 'static> Generator<T> {
    /// Makes a generator with the default stack. Its body does not run before the first item is asked for.
    ///
    /// # Panics
    ///
    /// Without memory for a stack; [`Builder::generator`] gives an error instead.
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<(), T>) + 'static,
    {
        Builder::new().generator(body).expect("a stack for a generator")
    }
}

impl<T> Generator<T> {
    /// Makes a generator that may borrow, runs `f` with it, and ends it before it returns.
    ///
    /// # Panics
    ///
    /// Without memory for a stack. With the panic of `f`, or one that the generator ended with when it was unwound.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::coroutine::Generator;
    ///
    /// let text = String::from("one two three");
    /// let longest = Generator::scope(
    ///     |yielder| text.split(' ').for_each(|word| yielder.suspend(word)),
    ///     |words| words.max_by_key(|word| word.len()),
    /// );
    /// assert_eq!(longest, Some("three"));
    /// ```
    #[track_caller]
    pub fn scope<F, G, R>(body: F, f: G) -> R
    where
        F: FnOnce(&Yielder<(), T>),
        G: for<'scope> FnOnce(&mut ScopedGenerator<'scope, T>) -> R,
    {
        Builder::new().scope_generator(body, f).expect("a stack for a generator")
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        next(&mut self.0)
    }
}

impl<T> FusedIterator for Generator<T> {}

#[inline]
#[track_caller]
pub(super) fn next<T>(raw: &mut Raw<(), T, ()>) -> Option<T> {
    if raw.is_done() {
        return None;
    }
    match raw.resume(()) {
        CoroutineState::Yielded(item) => Some(item),
        CoroutineState::Complete(()) => None,
    }
}

impl<T> fmt::Debug for Generator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("done", &self.0.is_done()).finish_non_exhaustive()
    }
}
