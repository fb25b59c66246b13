#![cfg(not(loom))]
//! Tokens, reasons, shields, and time limits that children have from their parents.

mod common;

use common::{LONG, eventually, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::mpsc::channel;
use fiber::time::{Duration, Elapsed, Instant, after, deadline, sleep, timeout, timeout_at};
use fiber::{CancelReason, CancelToken, cancel_reason, is_cancelled, select, shield};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

#[test]
fn a_token_ends_what_runs_under_it() {
    runtime(2).run(|| {
        let token = CancelToken::new();
        let fibers: Vec<_> = (0..20)
            .map(|_| {
                let token = token.clone();
                fiber::spawn(move || token.run(fiber::park))
            })
            .collect();
        for fiber in &fibers {
            until_waiting(&here(), &fiber.fiber(), Reason::Park);
        }
        token.cancel();
        token.cancel_because(CancelReason::SiblingFailed);
        for fiber in fibers {
            assert_eq!(fiber.join().unwrap(), Err(CancelReason::User), "the first reason stays");
        }
        assert_eq!(token.run(|| 5), Ok(5), "what does not wait is not interrupted");
        assert_eq!(token.run(fiber::park), Err(CancelReason::User));
        assert_eq!((token.is_cancelled(), is_cancelled()), (true, false), "past the call nothing is cancelled");
    });
}

#[test]
fn a_token_is_cancelled_by_its_parent_and_not_by_its_child() {
    let parent = CancelToken::new();
    let (first, second) = (parent.child(), parent.child());
    let grandchild = first.child();
    first.cancel_because(CancelReason::SiblingFailed);
    assert_eq!(grandchild.reason(), Some(CancelReason::SiblingFailed));
    assert!(!parent.is_cancelled() && !second.is_cancelled());
    (0..100).for_each(|_| drop(parent.child()));
    parent.cancel();
    assert_eq!(second.cancelled(), CancelReason::User);
    assert_eq!(first.cancelled(), CancelReason::SiblingFailed);
    assert_eq!(parent.child().reason(), Some(CancelReason::User), "one that comes late");
}

#[test]
fn tokens_tell_an_error_first_and_unwind_after_that() {
    runtime(1).run(|| {
        let listener = fiber::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let token = CancelToken::new();
        token.cancel();
        let outcome = token.run(|| {
            let error = listener.accept().unwrap_err();
            assert!(error.get_ref().is_some_and(|source| source.is::<fiber::Cancelled>()));
            drop(listener.accept());
            unreachable!("the second wait unwinds");
        });
        assert_eq!(outcome, Err(CancelReason::User));
        let late = CancelToken::new();
        late.cancel_because(CancelReason::Deadline);
        let error = late.run(|| listener.accept().unwrap_err()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn tokens_reach_the_children_of_scopes() {
    runtime(2).run(|| {
        let token = CancelToken::new();
        let (begin, begun) = channel();
        let fiber = fiber::spawn({
            let token = token.clone();
            move || {
                token.run(|| {
                    let mut reasons = [None, None];
                    let [one, other] = &mut reasons;
                    fiber::scope(|s| {
                        for reason in [one, other] {
                            let begin = begin.clone();
                            s.spawn(move || {
                                begin.send(()).unwrap();
                                struct Note<'a>(&'a mut Option<CancelReason>);
                                impl Drop for Note<'_> {
                                    fn drop(&mut self) {
                                        *self.0 = cancel_reason();
                                    }
                                }
                                let _note = Note(reason);
                                fiber::park();
                            });
                        }
                    });
                })
            }
        });
        begun.recv().unwrap();
        begun.recv().unwrap();
        token.cancel_because(CancelReason::SiblingFailed);
        assert_eq!(fiber.join().unwrap(), Err(CancelReason::SiblingFailed));
    });
}

#[test]
fn waiting_for_a_token() {
    runtime(2).run(|| {
        for by_select in [false, true] {
            let token = CancelToken::new();
            let waiter = fiber::spawn({
                let token = token.clone();
                move || match by_select {
                    false => token.cancelled(),
                    true => select! { reason = token.cancelled() => reason, () = after(LONG) => unreachable!() },
                }
            });
            until_waiting(&here(), &waiter.fiber(), if by_select { Reason::Select } else { Reason::Token });
            std::thread::spawn(move || token.cancel()).join().unwrap();
            assert_eq!(waiter.join().unwrap(), CancelReason::User);
        }
    });
}

#[test]
fn a_race_of_tokens_and_calls_under_them() {
    runtime(2).run(|| {
        for n in 0..300 {
            let token = CancelToken::new();
            let fiber = fiber::spawn({
                let token = token.clone();
                move || token.run(|| token.clone().child().run(fiber::park))
            });
            if n % 3 == 0 {
                sleep(Duration::from_micros(n % 50));
            }
            token.cancel();
            assert_eq!(fiber.join().unwrap(), Err(CancelReason::User), "the outer call ends with what is inside");
        }
    });
}

#[test]
fn reasons_say_who_asked() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(fiber::park);
        fiber.fiber().cancel();
        let error = fiber.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::User));
        assert_eq!(error.to_string(), "the fiber was cancelled: it was asked to end");
        let panic: fiber::JoinError =
            fiber::spawn(|| -> () { std::panic::resume_unwind(Box::new(1)) }).join().unwrap_err();
        assert_eq!(panic.cancel_reason(), None);
    });
    let runtime = runtime(1);
    let fiber = runtime.spawn(|| {
        let _ = std::panic::catch_unwind(fiber::park);
        cancel_reason()
    });
    until_waiting(&runtime.handle(), &fiber.fiber(), Reason::Park);
    runtime.shut_down();
    assert_eq!(fiber.join().unwrap(), Some(CancelReason::Shutdown));
}

#[test]
fn children_have_the_time_limits_of_their_parents() {
    runtime(2).run(|| {
        let limit = Instant::now() + LONG;
        let seen = timeout_at(limit, || {
            fiber::scope(|s| {
                let child = s.spawn(|| fiber::scope(|inner| inner.spawn(deadline).join().unwrap()));
                child.join().unwrap()
            })
        });
        assert_eq!(seen, Ok(Some(limit)));
        // Past it, the child is told so, while the parent is busy with something else.
        let (kind, reason) = timeout(Duration::from_millis(1), || {
            fiber::scope(|s| {
                let listener = fiber::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
                let child = s.spawn(move || listener.accept().unwrap_err().kind());
                let other = s.spawn(fiber::park);
                shield(|| (child.join().unwrap(), other.join().unwrap_err().cancel_reason()))
            })
        })
        .unwrap();
        assert_eq!((kind, reason), (io::ErrorKind::TimedOut, Some(CancelReason::Deadline)));
        // And the parent is unwound by it, rather than told of a failed child.
        for _ in 0..50 {
            let late = timeout(Duration::from_micros(300), || {
                fiber::scope(|s| {
                    let mut child = s.spawn(fiber::park);
                    select! {
                        result = child.join() => result.expect("no failure of its own"),
                    }
                    s.spawn(fiber::park).join().expect("no failure of its own");
                })
            });
            assert_eq!(late, Err(Elapsed));
        }
        // The nearer of two counts, and a limit that is over counts no more.
        timeout(LONG, || {
            let near = Instant::now() + Duration::from_secs(100);
            timeout_at(near, || assert_eq!(deadline(), Some(near))).unwrap();
            assert!(deadline() > Some(near));
        })
        .unwrap();
        assert_eq!(deadline(), None);
    });
    assert_eq!(deadline(), None);
}

#[test]
fn a_shield_postpones_every_cause() {
    runtime(2).run(|| {
        let token = CancelToken::new();
        let (sender, receiver) = channel();
        let fiber = fiber::spawn({
            let token = token.clone();
            move || {
                let outcome = timeout(Duration::ZERO, || {
                    token.run(|| {
                        shield(|| {
                            let inner = shield(|| receiver.recv().unwrap());
                            assert_eq!((receiver.recv().unwrap(), inner), (2, 1), "nested");
                        });
                        fiber::park();
                    })
                });
                assert_eq!(outcome, Err(Elapsed), "of several causes the outermost");
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Receive);
        token.cancel();
        sender.send(1).unwrap();
        sleep(Duration::from_millis(2));
        sender.send(2).unwrap();
        fiber.join().unwrap();
        assert_eq!(shield(|| 5), 5);
    });
    assert_eq!(shield(|| 5), 5);
    assert!(!is_cancelled());
}

#[test]
fn a_busy_fiber_can_ask() {
    runtime(2).run(|| {
        let (begin, begun) = channel();
        let fiber = fiber::spawn(move || {
            begin.send(()).unwrap();
            eventually("it is cancelled", || shield(is_cancelled));
        });
        begun.recv().unwrap();
        fiber.cancel();
        let _ = fiber.join();
    });
}
