//! A message through each kind of channel: to a fiber of the same worker, to one of another worker, and what it costs threads.

mod common;

use common::{Run, Subject, machine, time_each};
use fiber::sync::{broadcast, mpmc, mpsc, oneshot, watch};
use std::hint::spin_loop;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// Where senders and receivers run.
#[derive(Clone, Copy)]
enum Where {
    /// On fibers of one worker.
    SameWorker,
    /// Receivers on fibers of another worker than senders.
    OtherWorker,
    Threads,
}

/// A sender's work and a receiver's, which says how many messages it got.
type Sending = Box<dyn FnOnce() + Send>;
type Receiving = Box<dyn FnOnce() -> usize + Send>;

/// Runs senders and receivers to their end, and gives the time for each message.
fn transfer(at: Where, messages: usize, senders: Vec<Sending>, receivers: Vec<Receiving>) -> f64 {
    let mut received = 0;
    let each = time_each(messages, || {
        received = match at {
            Where::Threads => std::thread::scope(|scope| {
                let receivers: Vec<_> = receivers.into_iter().map(|receive| scope.spawn(receive)).collect();
                senders.into_iter().for_each(|send| drop(scope.spawn(send)));
                receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum()
            }),
            Where::SameWorker => {
                let receivers: Vec<_> = receivers.into_iter().map(fiber::spawn).collect();
                let senders: Vec<_> = senders.into_iter().map(fiber::spawn).collect();
                senders.into_iter().for_each(|sender| sender.join().unwrap());
                receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum()
            }
            Where::OtherWorker => {
                static STARTED: AtomicUsize = AtomicUsize::new(0);
                STARTED.store(0, Release);
                let (here, count) = (std::thread::current().id(), receivers.len());
                let start = |receive: Receiving| {
                    fiber::spawn(move || {
                        assert_ne!(std::thread::current().id(), here, "the fiber started where it was not to");
                        STARTED.fetch_add(1, AcqRel);
                        receive()
                    })
                };
                let receivers: Vec<_> = receivers.into_iter().map(start).collect();
                // This worker starts nothing while this fiber holds it, so the other one will.
                while STARTED.load(Acquire) < count {
                    spin_loop();
                    std::thread::yield_now();
                }
                senders.into_iter().for_each(|send| drop(fiber::spawn_local(send)));
                receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum()
            }
        };
    });
    assert_eq!(received, messages);
    each
}

/// Work for several senders and receivers of a channel whose ends can be cloned; the first ends are used up.
macro_rules! work {
    ($sender:expr, $receiver:expr, $senders:expr, $receivers:expr, $each:expr) => {{
        let (sender, receiver, each) = ($sender, $receiver, $each);
        let senders = (0..$senders).map(|_| {
            let sender = sender.clone();
            Box::new(move || (0..each).for_each(|n| sender.send(n).unwrap())) as Sending
        });
        let receivers = (0..$receivers).map(|_| {
            let receiver = receiver.clone();
            Box::new(move || receiver.iter().count()) as Receiving
        });
        (senders.collect::<Vec<_>>(), receivers.collect::<Vec<_>>())
    }};
}

/// As [`work`], for one receiver, which cannot be cloned.
macro_rules! work_for_one {
    ($sender:expr, $receiver:expr, $senders:expr, $each:expr) => {{
        let (sender, receiver, each) = ($sender, $receiver, $each);
        let senders = (0..$senders).map(|_| {
            let sender = sender.clone();
            Box::new(move || (0..each).for_each(|n| sender.send(n).unwrap())) as Sending
        });
        (senders.collect::<Vec<_>>(), vec![Box::new(move || receiver.iter().count()) as Receiving])
    }};
}

/// So many senders, so many receivers, and a capacity.
#[derive(Clone, Copy)]
struct Shape {
    senders: usize,
    receivers: usize,
    capacity: Option<usize>,
}

fn over_mpmc(at: Where, shape: Shape, messages: usize) -> f64 {
    let (sender, receiver) = shape.capacity.map_or_else(mpmc::channel, mpmc::sync_channel);
    let (senders, receivers) = work!(sender, receiver, shape.senders, shape.receivers, messages / shape.senders);
    transfer(at, messages, senders, receivers)
}

fn over_mpsc(at: Where, shape: Shape, messages: usize) -> f64 {
    let each = messages / shape.senders;
    let (senders, receivers) = match shape.capacity {
        None => {
            let (sender, receiver) = mpsc::channel();
            work_for_one!(sender, receiver, shape.senders, each)
        }
        Some(capacity) => {
            let (sender, receiver) = mpsc::sync_channel(capacity);
            work_for_one!(sender, receiver, shape.senders, each)
        }
    };
    transfer(at, messages, senders, receivers)
}

fn over_std(shape: Shape, messages: usize) -> f64 {
    let each = messages / shape.senders;
    let (senders, receivers) = match shape.capacity {
        None => {
            let (sender, receiver) = std::sync::mpsc::channel();
            work_for_one!(sender, receiver, shape.senders, each)
        }
        Some(capacity) => {
            let (sender, receiver) = std::sync::mpsc::sync_channel(capacity);
            work_for_one!(sender, receiver, shape.senders, each)
        }
    };
    transfer(Where::Threads, messages, senders, receivers)
}

fn over_crossbeam(shape: Shape, messages: usize) -> f64 {
    let (sender, receiver) = shape.capacity.map_or_else(crossbeam_channel::unbounded, crossbeam_channel::bounded);
    let (senders, receivers) = work!(sender, receiver, shape.senders, shape.receivers, messages / shape.senders);
    transfer(Where::Threads, messages, senders, receivers)
}

/// Fills a channel and empties it, without a wait.
fn without_waits(messages: usize, mut send: impl FnMut(usize), mut receive: impl FnMut() -> usize) -> f64 {
    const BATCH: usize = 100;
    let mut sum = 0;
    let each = time_each(messages, || {
        for batch in 0..messages / BATCH {
            (0..BATCH).for_each(|n| send(batch * BATCH + n));
            (0..BATCH).for_each(|_| sum += receive());
        }
    });
    assert_eq!(sum, messages * (messages - 1) / 2);
    each
}

/// A question with a channel for its answer, to a fiber that answers.
fn questions(at: Where, times: usize) -> f64 {
    let (ask, questions) = mpsc::channel::<(usize, oneshot::Sender<usize>)>();
    let answer = move || questions.iter().map(|(n, answer)| answer.send(n).unwrap()).count();
    let ask = move || {
        for n in 0..times {
            let (answer, answered) = oneshot::channel();
            ask.send((n, answer)).unwrap();
            assert_eq!(answered.recv(), Ok(n));
        }
    };
    transfer(at, times, vec![Box::new(ask)], vec![Box::new(answer)])
}

fn questions_over_crossbeam(times: usize) -> f64 {
    let (ask, questions) = crossbeam_channel::unbounded::<(usize, crossbeam_channel::Sender<usize>)>();
    let answer = move || questions.iter().map(|(n, answer)| answer.send(n).unwrap()).count();
    let ask = move || {
        for n in 0..times {
            let (answer, answered) = crossbeam_channel::bounded(1);
            ask.send((n, answer)).unwrap();
            assert_eq!(answered.recv(), Ok(n));
        }
    };
    transfer(Where::Threads, times, vec![Box::new(ask)], vec![Box::new(answer)])
}

fn broadcasts(at: Where, receivers: usize, messages: usize) -> f64 {
    let (sender, receiver) = broadcast::channel(messages);
    let receive = |mut receiver: broadcast::Receiver<usize>| {
        Box::new(move || receiver.iter().map(Result::unwrap).count()) as Receiving
    };
    let receivers = (0..receivers).map(|_| receive(receiver.resubscribe())).collect::<Vec<_>>();
    drop(receiver);
    let deliveries = messages * receivers.len();
    let count = receivers.len();
    let send = move || (0..messages).for_each(|n| assert_eq!(sender.send(n), Ok(count)));
    transfer(at, deliveries, vec![Box::new(send)], receivers)
}

/// A value that is changed and then seen, by one fiber and another in turn.
fn watched(at: Where, times: usize) -> f64 {
    let ((sender, mut receiver), (seen, mut sees)) = (watch::channel(0), watch::channel(0));
    let receive = move || {
        for n in 1..=times {
            assert_eq!(receiver.changed(), Ok(()));
            assert_eq!(*receiver.borrow(), n);
            seen.send(n).unwrap();
        }
        times
    };
    let send = move || {
        for n in 1..=times {
            sender.send(n).unwrap();
            assert_eq!(sees.changed(), Ok(()));
        }
    };
    transfer(at, times, vec![Box::new(send)], vec![Box::new(receive)])
}

/// Compares what goes through one shape of channel.
fn compare(run: &Run, at: Where, shape: Shape, messages: usize, runtime: &fiber::runtime::Runtime) {
    let Shape { senders, receivers, capacity } = shape;
    let kind = match capacity {
        None => "unbounded".to_owned(),
        Some(0) => "rendezvous".to_owned(),
        Some(capacity) => format!("bounded to {capacity}"),
    };
    let place = match at {
        Where::SameWorker => "one worker",
        Where::OtherWorker | Where::Threads => "two workers",
    };
    let title = format!("{kind}, {senders} to {receivers}, {place}");
    let mut ours = || runtime.run(|| over_mpmc(at, shape, messages));
    let mut single = || runtime.run(|| over_mpsc(at, shape, messages));
    let on_threads = messages / 10 / senders * senders;
    let mut threads = || over_mpmc(Where::Threads, shape, on_threads);
    let mut std = || over_std(shape, on_threads);
    let mut crossbeam = || over_crossbeam(shape, on_threads);
    let mut subjects: Vec<Subject<'_>> = vec![("fiber::sync::mpmc", &mut ours)];
    if receivers == 1 {
        subjects.push(("fiber::sync::mpsc", &mut single));
    }
    subjects.push(("fiber::sync::mpmc on threads", &mut threads));
    if receivers == 1 {
        subjects.push(("std::sync::mpsc on threads", &mut std));
    }
    subjects.push(("crossbeam-channel on threads", &mut crossbeam));
    run.compare(&title, "ns a message", 9, &mut subjects);
}

const SHAPES: [Shape; 7] = [
    Shape { senders: 1, receivers: 1, capacity: None },
    Shape { senders: 1, receivers: 1, capacity: Some(100) },
    Shape { senders: 1, receivers: 1, capacity: Some(1) },
    Shape { senders: 1, receivers: 1, capacity: Some(0) },
    Shape { senders: 4, receivers: 1, capacity: None },
    Shape { senders: 4, receivers: 4, capacity: None },
    Shape { senders: 4, receivers: 4, capacity: Some(100) },
];

fn without_any_wait(run: &Run, runtime: &fiber::runtime::Runtime, messages: usize) {
    run.compare(
        "unbounded, filled and emptied, no wait",
        "ns a message",
        9,
        &mut [
            ("fiber::sync::mpmc", &mut || {
                runtime.run(|| {
                    let (sender, receiver) = mpmc::channel();
                    without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
                })
            }),
            ("std::sync::mpsc on a thread", &mut || {
                let (sender, receiver) = std::sync::mpsc::channel();
                without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
            }),
            ("crossbeam-channel on a thread", &mut || {
                let (sender, receiver) = crossbeam_channel::unbounded();
                without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
            }),
        ],
    );
    run.compare(
        "bounded to 100, filled and emptied, no wait",
        "ns a message",
        9,
        &mut [
            ("fiber::sync::mpmc", &mut || {
                runtime.run(|| {
                    let (sender, receiver) = mpmc::sync_channel(100);
                    without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
                })
            }),
            ("std::sync::mpsc on a thread", &mut || {
                let (sender, receiver) = std::sync::mpsc::sync_channel(100);
                without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
            }),
            ("crossbeam-channel on a thread", &mut || {
                let (sender, receiver) = crossbeam_channel::bounded(100);
                without_waits(messages, |n| sender.send(n).unwrap(), || receiver.recv().unwrap())
            }),
        ],
    );
}

fn of_other_kinds(run: &Run, at: Where, place: &str, runtime: &fiber::runtime::Runtime, messages: usize) {
    run.compare(
        &format!("oneshot, a question and its answer, {place}"),
        "ns a round trip",
        9,
        &mut [
            ("fiber::sync::oneshot", &mut || runtime.run(|| questions(at, messages / 4))),
            ("crossbeam-channel, bounded to 1, on threads", &mut || questions_over_crossbeam(messages / 40)),
        ],
    );
    run.compare(
        &format!("broadcast, 1 to 4, {place}"),
        "ns a message to one receiver",
        9,
        &mut [("fiber::sync::broadcast", &mut || runtime.run(|| broadcasts(at, 4, messages / 4)))],
    );
    run.compare(
        &format!("watch, a change each way, {place}"),
        "ns a round trip",
        9,
        &mut [("fiber::sync::watch", &mut || runtime.run(|| watched(at, messages / 4)))],
    );
}

fn main() {
    let run = Run::start("channels: a message from one to another");
    let messages = run.pick(400_000, 4000);
    machine::on_one(|| {
        let runtime = common::runtime(1);
        without_any_wait(&run, &runtime, messages);
        SHAPES.iter().for_each(|&shape| compare(&run, Where::SameWorker, shape, messages, &runtime));
        of_other_kinds(&run, Where::SameWorker, "one worker", &runtime, messages);
    });
    let runtime = common::runtime(2);
    let messages = messages / 4;
    SHAPES.iter().for_each(|&shape| compare(&run, Where::OtherWorker, shape, messages, &runtime));
    of_other_kinds(&run, Where::OtherWorker, "two workers", &runtime, messages);
}
