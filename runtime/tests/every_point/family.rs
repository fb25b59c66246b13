//! The program on a child, of a scope, a set or a race: the child is struck at its points, or those around it are.

use crate::common::{LONG, TestRuntime, runtime};
use crate::{Manner, Progress, examine, step, take};
use fiber::internals::Blow;
use fiber::time::timeout;
use fiber::{CancelReason, CancelToken, JoinError, JoinSet};
use std::io;
use std::sync::{Arc, OnceLock};

/// How the child is started.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    Scope,
    Set,
    Race,
}

/// Whom it strikes, at one of the child's points.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whom {
    Child,
    Parent,
    /// The token under which the parent runs, and from it the child.
    Token,
    /// The time limit that the child has from its parent. (The parent's own is not made to pass: the child's end comes first.)
    Deadline,
}

/// Starts the child, and gives what became of it.
fn start(family: Family, child: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<io::Result<()>, JoinError> {
    match family {
        Family::Scope => fiber::scope(|s| s.spawn(child).join()),
        Family::Set => {
            let mut set = JoinSet::new();
            set.spawn(child);
            set.join_next().expect("there is one")
        }
        Family::Race => {
            let waits = || loop {
                fiber::park();
            };
            let contestants: [Box<dyn FnOnce() -> io::Result<()> + Send>; 2] = [Box::new(child), Box::new(waits)];
            Ok(fiber::race(contestants))
        }
    }
}

fn strike(runtime: &TestRuntime, at: u64, family: Family, whom: Whom) -> bool {
    let (parent, token) = (Arc::new(OnceLock::<fiber::Fiber>::new()), CancelToken::new());
    let blow = match whom {
        Whom::Child => Blow::cancel_at(at),
        Whom::Deadline => Blow::time_out_at(at),
        Whom::Parent => Blow::call_at(at, {
            let parent = parent.clone();
            move || parent.get().expect("it has begun").cancel()
        }),
        Whom::Token => Blow::call_at(at, {
            let token = token.clone();
            move || token.cancel()
        }),
    };
    let run = |ours: Vec<step::Ours>, progress: Arc<Progress>| {
        let blow = blow.clone();
        let child = move || {
            blow.arm();
            take(ours, &progress, Manner::Polite)
        };
        let fiber = runtime.spawn(move || {
            parent.get_or_init(fiber::current);
            let start = || start(family, child).map_err(|error| error.cancel_reason());
            match whom {
                Whom::Child | Whom::Parent => start(),
                Whom::Token => token.run(start).unwrap_or_else(|reason| Err(Some(reason))),
                Whom::Deadline => timeout(LONG, start).unwrap_or(Err(Some(CancelReason::Deadline))),
            }
        });
        fiber.join().map_err(|error| error.cancel_reason()).flatten()
    };
    let may_unwind = |reason| match (whom, family) {
        (Whom::Deadline, _) => reason == CancelReason::Deadline,
        // A race has no result without its contestants', and ends the caller.
        (Whom::Child, Family::Race) => reason == CancelReason::SiblingFailed,
        _ => reason == CancelReason::User,
    };
    // What a step does with a blow is seen in scopes; the others differ in what they make of the child's end.
    let program = if family == Family::Scope { crate::program } else { crate::tasks::steps };
    examine(runtime, program, &format!("{family:?}, {whom:?}"), &blow, run, may_unwind)
}

fn strike_everywhere(family: Family, whom: Whom) {
    let runtime = runtime(1);
    let mut points = 1;
    while strike(&runtime, points, family, whom) {
        points += 1;
    }
    assert!(points > 50, "only {points} points");
}

#[test]
fn a_child_of_a_scope_at_every_point() {
    strike_everywhere(Family::Scope, Whom::Child);
}

#[test]
fn a_scope_at_every_point_of_its_child() {
    strike_everywhere(Family::Scope, Whom::Parent);
}

#[test]
fn a_token_at_every_point_of_a_child() {
    strike_everywhere(Family::Scope, Whom::Token);
}

#[test]
fn a_deadline_at_every_point_of_a_child() {
    strike_everywhere(Family::Scope, Whom::Deadline);
}

#[test]
fn a_member_of_a_set_at_every_point() {
    strike_everywhere(Family::Set, Whom::Child);
}

#[test]
fn a_contestant_at_every_point() {
    strike_everywhere(Family::Race, Whom::Child);
}

#[test]
fn a_race_at_every_point_of_a_contestant() {
    strike_everywhere(Family::Race, Whom::Parent);
}
