//! The search for an order in which operations can have happened.
//!
//! What may come next is whatever began before the first of the others ended; where it fits the state, the search goes on from there, and
//! turns back from where it has been: after the same operations, in the same state (J. Wing, C. Gong, "Testing and Verifying Concurrent
//! Objects", 1993; G. Lowe, "Testing for Linearizability", 2017). With few that do something at once that is quick.

use crate::Interval;
use crate::common::TestRuntime;
use std::collections::HashSet;
use std::hash::Hash;

/// What the operations are done to, as it would be with one after the other.
pub(crate) trait Model: Clone + Eq + Hash {
    type Operation;

    /// The state after the operation, if it can have had its result in this one.
    fn after(&self, operation: &Self::Operation) -> Option<Self>;
}

/// Operations with their times.
pub(crate) type Recorded<O> = Vec<(Interval, O)>;

/// Whether there is an order.
pub(crate) fn is_linearizable<M: Model>(start: &M, history: &[(Interval, M::Operation)]) -> bool {
    assert!(history.len() <= 128, "{} operations", history.len());
    search(start, history, 0, &mut HashSet::new())
}

fn search<M: Model>(
    state: &M,
    history: &[(Interval, M::Operation)],
    done: u128,
    seen: &mut HashSet<(u128, M)>,
) -> bool {
    let left = || history.iter().enumerate().filter(|(index, _)| done >> index & 1 == 0);
    let Some(horizon) = left().map(|(_, (at, _))| at.end).min() else {
        return true;
    };
    seen.insert((done, state.clone()))
        && left().filter(|(_, (at, _))| at.begin < horizon).any(|(index, (_, operation))| {
            state.after(operation).is_some_and(|next| search(&next, history, done | 1 << index, seen))
        })
}

/// What those who take part record, each on a fiber or a thread by turns.
pub(crate) fn record<O: Send + 'static>(
    runtime: &TestRuntime,
    parts: impl IntoIterator<Item = Box<dyn FnOnce() -> Recorded<O> + Send>>,
) -> Recorded<O> {
    let (mut fibers, mut threads) = (Vec::new(), Vec::new());
    for (number, part) in parts.into_iter().enumerate() {
        if number % 3 == 2 {
            threads.push(std::thread::spawn(part));
        } else {
            fibers.push(runtime.spawn(part));
        }
    }
    let on_fibers = fibers.into_iter().flat_map(|fiber| fiber.join().unwrap());
    let mut history: Recorded<O> = on_fibers.collect();
    history.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    history
}

/// The search finds an order where there is one, and none where there is none.
#[test]
fn orders_are_found_and_missed() {
    /// A number that is read and written.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Register(u32);

    enum Operation {
        Read(u32),
        Write(u32),
    }

    impl Model for Register {
        type Operation = Operation;

        fn after(&self, operation: &Operation) -> Option<Register> {
            match *operation {
                Operation::Read(value) => (value == self.0).then(|| self.clone()),
                Operation::Write(value) => Some(Register(value)),
            }
        }
    }
    use Operation::{Read, Write};
    let at = |begin, end| Interval { begin, end };
    assert!(is_linearizable(&Register(0), &[(at(1, 8), Write(1)), (at(2, 3), Read(0)), (at(4, 5), Read(1))]));
    assert!(is_linearizable(&Register(0), &[(at(4, 5), Read(2)), (at(1, 8), Write(1)), (at(2, 3), Write(2))]));
    assert!(!is_linearizable(&Register(0), &[(at(1, 8), Write(1)), (at(2, 3), Read(1)), (at(4, 5), Read(0))]));
    assert!(!is_linearizable(&Register(0), &[(at(1, 2), Write(1)), (at(3, 4), Read(0))]));
}
