#![cfg(not(loom))]
//! A cancellation, and a time limit that passes, at every single point of a program that uses everything.
//!
//! The program is a list of steps, which one fiber takes one after the other, each with partners who do the other end of it. It is run
//! again and again; the n-th time, the fiber is struck at its n-th point (`fiber::internals::Blow`): a look for interruptions, a suspension, a
//! resumption. This goes on until it comes to its end before the blow. So all points are tried, however many there are, and
//! none of this depends on time or on chance.
//!
//! Then the fiber that takes the steps is the child of another, in a scope, a set or a race ([`family`]): it is struck itself; or, at each of
//! its points, its parent is, or the token under which its parent runs.
//!
//! After each run: every partner came to its end, so no wake-up was lost and no lock was left behind; every step finds its locks free, its
//! permits back and its messages where they belong; whatever the steps held was dropped; nothing is under way on the worker.

#[path = "../common/mod.rs"]
mod common;

mod channels;
mod family;
mod locks;
mod outside;
mod step;
mod tasks;

use common::{LONG, TestRuntime, eventually, runtime};
use fiber::internals::{Blow, under_way};
use fiber::time::{Elapsed, timeout};
use fiber::{CancelReason, Cancelled};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use step::{Step, Token};

/// The whole program.
fn program(token: &Token) -> Vec<Step> {
    [locks::steps(token), channels::steps(token), tasks::steps(token), outside::steps(token)]
        .into_iter()
        .flatten()
        .collect()
}

/// What strikes the fiber.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Cancellation,
    Deadline,
}

/// What the program does when one of its calls returns the error of an interruption.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// It returns the error.
    Polite,
    /// It goes on with the next step: it is told no second time.
    Deaf,
}

fn is_interruption(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Cancelled>() || source.is::<Elapsed>())
}

/// A step that was begun.
struct Begun {
    partners: Vec<fiber::JoinHandle<()>>,
    is_done: bool,
}

/// How far the fiber has come.
#[derive(Default)]
struct Progress {
    begun: Mutex<Vec<Begun>>,
    /// Errors that it was given because of the blow.
    told: AtomicUsize,
}

/// Takes the steps.
fn take(steps: Vec<step::Ours>, progress: &Progress, manner: Manner) -> io::Result<()> {
    for (ours, theirs) in steps {
        let partners = theirs.into_iter().map(fiber::spawn).collect();
        progress.begun.lock().unwrap().push(Begun { partners, is_done: false });
        match ours() {
            Ok(()) => progress.begun.lock().unwrap().last_mut().unwrap().is_done = true,
            Err(error) if is_interruption(&error) => {
                progress.told.fetch_add(1, SeqCst);
                if manner == Manner::Polite {
                    return Err(error);
                }
            }
            Err(error) => panic!("a step has failed: {error:?}"),
        }
    }
    Ok(())
}

/// One run with a blow at this point; whether the fiber came so far.
fn strike(runtime: &TestRuntime, at: u64, cause: Cause, manner: Manner) -> bool {
    let blow = match cause {
        Cause::Cancellation => Blow::cancel_at(at),
        Cause::Deadline => Blow::time_out_at(at),
    };
    let run = |ours, progress: Arc<Progress>| {
        let blow = blow.clone();
        let fiber = runtime.spawn(move || match cause {
            Cause::Cancellation => {
                blow.arm();
                take(ours, &progress, manner)
            }
            Cause::Deadline => timeout(LONG, || {
                blow.arm();
                take(ours, &progress, manner)
            })
            .unwrap_or_else(|elapsed| Err(elapsed.into())),
        });
        fiber.join().map_err(|error| error.cancel_reason())
    };
    let may_unwind = |reason| cause == Cause::Cancellation && reason == CancelReason::User;
    examine(runtime, program, &format!("{cause:?}, {manner:?}"), &blow, run, may_unwind)
}

/// One run of a program, by `run`, which gives what became of the fiber that took the steps: its result, or why it was unwound (`None`
/// is a panic). Whether it came as far as to the blow.
fn examine(
    runtime: &TestRuntime,
    program: fn(&Token) -> Vec<Step>,
    what: &str,
    blow: &Blow,
    run: impl FnOnce(Vec<step::Ours>, Arc<Progress>) -> Result<io::Result<()>, Option<CancelReason>>,
    may_unwind: impl Fn(CancelReason) -> bool,
) -> bool {
    let token = Token::default();
    let steps = program(&token);
    let last = steps.len();
    let (ours, afterwards): (Vec<_>, Vec<_>) = steps.into_iter().map(Step::split).unzip();
    let progress = Arc::new(Progress::default());
    let outcome = run(ours, progress.clone());
    let begun = std::mem::take(&mut *progress.begun.lock().unwrap());
    let here = format!(
        "struck at point {} by {what}, in the step {:?}",
        blow.passed(),
        begun.len().checked_sub(1).map(|step| afterwards[step].name)
    );
    match outcome {
        Ok(Ok(())) => assert_eq!(begun.len(), last, "{here}"),
        Ok(Err(error)) => assert!(blow.has_struck() && is_interruption(&error), "{here}: {error:?}"),
        Err(reason) => assert!(blow.has_struck() && reason.is_some_and(may_unwind), "{here}: {reason:?}"),
    }
    assert!(progress.told.load(SeqCst) <= 1, "{here}: told twice");

    for (after, begun) in afterwards.into_iter().zip(begun) {
        after.finish(begun.is_done, begun.partners, &here);
    }
    eventually("nothing is under way", || runtime.dump().fibers().is_empty() && runtime.dump().queued() == 0);
    eventually("the messages and guards are dropped", || token.is_alone());
    eventually("no operation is in flight and no timer set", || runtime.run(under_way) == (0, false));
    assert_eq!(runtime.handle().blocking_metrics().queued, 0, "{here}");
    blow.has_struck()
}

/// Strikes at one point after the other.
fn strike_everywhere(cause: Cause, manner: Manner) {
    let runtime = runtime(1);
    let mut points = 1;
    while strike(&runtime, points, cause, manner) {
        points += 1;
    }
    println!("{cause:?}, {manner:?}: {} points", points - 1);
    // Every step has some.
    assert!(points > 100, "only {points} points");
}

/// One run on a runtime of its own, which ends at this point of it; whether the fiber came so far.
fn shut_down_at(at: u64) -> bool {
    let runtime = runtime(1);
    let token = Token::default();
    let (ours, afterwards): (Vec<_>, Vec<_>) = program(&token).into_iter().map(Step::split).unzip();
    let blow = Blow::shut_down_at(at);
    let fiber = runtime.spawn({
        let blow = blow.clone();
        move || {
            blow.arm();
            take(ours, &Progress::default(), Manner::Polite)
        }
    });
    // However it ends: with its partners cancelled too, it may also panic for want of an answer.
    let outcome = fiber.join();
    assert!(blow.has_struck() || matches!(outcome, Ok(Ok(()))), "at point {at}: {outcome:?}");
    runtime.shut_down();
    drop(afterwards);
    assert!(token.is_alone(), "at point {at}: something is left");
    blow.has_struck()
}

#[test]
fn the_runtime_ends_at_every_point() {
    let mut points = 1;
    while shut_down_at(points) {
        points += 1;
    }
    assert!(points > 100, "only {points} points");
}

#[test]
fn cancelled_at_every_point() {
    strike_everywhere(Cause::Cancellation, Manner::Polite);
}

#[test]
fn cancelled_at_every_point_and_deaf() {
    strike_everywhere(Cause::Cancellation, Manner::Deaf);
}

#[test]
fn late_at_every_point() {
    strike_everywhere(Cause::Deadline, Manner::Polite);
}

#[test]
fn late_at_every_point_and_deaf() {
    strike_everywhere(Cause::Deadline, Manner::Deaf);
}
