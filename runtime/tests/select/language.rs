//! What the macro is as a piece of the language: order of evaluation, borrows, control flow, temporaries.

use crate::common::runtime;
use fiber::select;
use fiber::select::{Event, Selectable};
use fiber::sync::mpsc::{Receiver, channel, sync_channel};
use fiber::sync::{Mutex, Notify, broadcast};
use fiber::time::{after, at};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

fn ready() -> Notify {
    let notify = Notify::new();
    notify.notify_one();
    notify
}

#[test]
fn events_and_conditions_are_evaluated_once_in_order() {
    let log = RefCell::new(Vec::new());
    let note = |what: &'static str| log.borrow_mut().push(what);
    let (a, (sender, _receiver)) = (ready(), sync_channel(1));
    select! {
        biased;
        () = { note("first"); &a }, if { note("condition of the first"); true } => note("body"),
        _ = sender.send({ note("message of the second"); 1 }) => unreachable!(),
        _ = { note("never"); &a }, if { note("condition of the third"); false } => unreachable!(),
    }
    assert_eq!(
        log.into_inner(),
        ["condition of the first", "first", "message of the second", "condition of the third", "body"]
    );
}

#[test]
fn arms_whose_condition_is_false_do_not_happen() {
    let (a, b) = (ready(), ready());
    for _ in 0..20 {
        b.notify_one();
        select! {
            () = a.notified(), if false => unreachable!(),
            () = b.notified() => {}
        }
        select! {
            () = a.notified() if false => unreachable!(),
            default => {}
        }
    }
}

#[test]
fn the_first_is_preferred_on_request_and_chance_decides_otherwise() {
    let past = || at(Instant::now() - Duration::from_millis(1));
    let mut counts = [0; 3];
    for _ in 0..3000 {
        select! {
            biased;
            () = past() => {}
            () = past() => unreachable!(),
        }
        select! {
            () = past() => counts[0] += 1,
            () = past() => counts[1] += 1,
            () = after(Duration::from_secs(1000)) => unreachable!(),
            () = past() => counts[2] += 1,
        }
    }
    // A thousand each, give or take eight standard deviations.
    assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
}

#[test]
fn it_is_an_expression() {
    let a = ready();
    let text = select! {
        () = a.notified() => "notified",
        default => "not",
    };
    assert_eq!(text, "notified");
    assert_eq!(select! { () = a.notified() => 1, default => 2 }, 2);
    let nested = select! {
        () = after(Duration::ZERO) => select! {
            () = a.notified() => unreachable!(),
            () = after(Duration::ZERO) => 5,
        },
    };
    assert_eq!(nested, 5);
}

#[test]
fn bodies_leave_loops_and_functions() {
    fn first_even(receiver: &Receiver<u32>) -> Result<u32, std::sync::mpsc::RecvError> {
        let mut odd = 0;
        'all: loop {
            for _ in 0..100 {
                select! {
                    number = receiver.recv() => {
                        let number = number?;
                        if number == 0 {
                            break 'all;
                        }
                        if number % 2 == 1 {
                            odd += 1;
                            continue;
                        }
                        return Ok(number + odd);
                    }
                }
            }
        }
        Ok(0)
    }
    let (sender, receiver) = channel();
    [1, 3, 4, 0].iter().for_each(|&number| sender.send(number).unwrap());
    assert_eq!(first_even(&receiver), Ok(6));
    assert_eq!(first_even(&receiver), Ok(0));
    drop(sender);
    assert!(first_even(&receiver).is_err());
}

#[test]
fn bodies_may_use_again_what_the_events_borrowed() {
    let (sender, mut receiver) = broadcast::channel(4);
    for n in 0..4 {
        sender.send(n).unwrap();
    }
    let stop = Notify::new();
    let sum = select! {
        message = receiver.recv() => message.unwrap() + receiver.recv().unwrap() + receiver.try_recv().unwrap(),
        () = stop.notified() => receiver.recv().unwrap(),
    };
    assert_eq!(sum, 3);
}

#[test]
fn temporaries_of_events_live_as_long_as_the_wait() {
    runtime(1).run(|| {
        struct Shared {
            receiver: Receiver<u8>,
        }
        let (sender, receiver) = channel();
        let shared = Mutex::new(Shared { receiver });
        sender.send(1).unwrap();
        select! {
            message = shared.lock().unwrap().receiver.recv() => {
                assert_eq!(message, Ok(1));
                assert!(shared.try_lock().is_ok(), "the guard went before the body");
            }
            () = Notify::new().notified() => unreachable!(),
        }
    });
}

#[test]
fn patterns_take_apart_what_is_given() {
    struct Pair<'a>(&'a Receiver<(u8, String)>);
    impl Selectable for Pair<'_> {
        type Output = (u8, String);

        fn into_event(self) -> impl Event<Output = (u8, String)> {
            self.0.recv_event().map(|pair| pair.unwrap())
        }
    }
    let (sender, receiver) = channel();
    sender.send((1, "one".to_owned())).unwrap();
    select! {
        (number, mut name) = Pair(&receiver) => {
            name.push('!');
            assert_eq!((number, &*name), (1, "one!"));
        }
    }
}

#[test]
fn a_type_of_ones_own_reads_like_ours() {
    struct Inbox(Receiver<u8>);
    impl Inbox {
        fn recv_event(&self) -> impl Event<Output = u8> {
            self.0.recv_event().map(|message| message.unwrap_or(0))
        }
    }
    let (sender, receiver) = channel();
    let inbox = Inbox(receiver);
    sender.send(7).unwrap();
    assert_eq!(select! { message = inbox.recv() => message }, 7);
}

#[test]
fn a_panic_in_a_poll_leaves_no_trace() {
    let (sender, receiver) = sync_channel::<u8>(0);
    for _ in 0..10 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut turn = 0;
            select! {
                _ = receiver.recv() => unreachable!(),
                () = select::poll_fn(|context| {
                    turn += 1;
                    context.waker().wake_by_ref();
                    if turn == 3 { std::panic::resume_unwind(Box::new("on purpose")) }
                    std::task::Poll::Pending
                }) => {}
            }
        }));
        assert!(panicked.is_err());
        assert!(sender.try_send(1).is_err(), "nobody waits");
    }
}

#[test]
fn many_arms() {
    let a = ready();
    let n = Notify::new();
    let which = select! {
        () = n.notified() => 0,
        () = n.notified() => 1,
        () = n.notified() => 2,
        () = n.notified() => 3,
        () = n.notified() => 4,
        () = n.notified() => 5,
        () = n.notified() => 6,
        () = n.notified() => 7,
        () = n.notified() => 8,
        () = n.notified() => 9,
        () = n.notified() => 10,
        () = n.notified() => 11,
        () = n.notified() => 12,
        () = n.notified() => 13,
        () = a.notified() => 14,
        () = n.notified() => 15,
    };
    assert_eq!(which, 14);
}
