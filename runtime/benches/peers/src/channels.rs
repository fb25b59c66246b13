//! Channels of every kind, and the first of several.

use crate::common::Run;
use crate::places::{Places, Stopwatch, together};
use fiber::sync::{broadcast, mpmc, mpsc, oneshot, watch};
use std::hint::black_box;

/// Messages in a channel before they are received, where nobody waits.
const BATCH: usize = 100;
/// The bound of the bounded ones.
const BOUND: usize = 64;
/// Receivers of a broadcast; senders, and receivers, of one for many.
const MANY: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Nothing is to be optimised away.
fn discard(message: usize) {
    black_box(message);
}

/// A sender's and a receiver's work, for ends with std's methods.
macro_rules! pair {
    ($ends:expr, $count:expr) => {{
        let ((sender, receiver), count) = ($ends, $count);
        let receive: Work = Box::new(move || (0..count).for_each(|_| _ = black_box(receiver.recv().unwrap())));
        let send: Work = Box::new(move || (0..count).for_each(|n| sender.send(n).unwrap()));
        [receive, send]
    }};
}

/// The work of several senders and receivers.
macro_rules! crowd {
    ($ends:expr, $each:expr) => {{
        let ((sender, receiver), each) = ($ends, $each);
        let mut work = Vec::new();
        for _ in 0..MANY {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            work.push(Box::new(move || (0..each).for_each(|_| _ = black_box(receiver.recv().unwrap()))) as Work);
            work.push(Box::new(move || (0..each).for_each(|n| sender.send(n).unwrap())) as Work);
        }
        work
    }};
}

pub(crate) fn compare(run: &Run, places: &Places) {
    if places.workers == 1 {
        unawaited(run, places);
        single(run, places);
    }
    unbounded(run, places);
    bounded(run, places);
    rendezvous(run, places);
    many(run, places);
    answers(run, places);
    to_all(run, places);
    latest(run, places);
    first(run, places);
    if places.workers > 1 {
        apart(run, places);
    }
}

/// Both ends on threads of their own, whatever a scheduler would like.
fn apart(run: &Run, places: &Places) {
    let count = run.pick(60_000, 10);
    let tokio = |count: usize| {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let receives = async move {
            for _ in 0..count {
                receiver.recv().await.unwrap();
            }
        };
        places.tasks_apart(count, receives, async move { (0..count).for_each(|n| sender.send(n).unwrap()) })
    };
    let fibers = |[receive, send]: [Work; 2], count: usize| places.fibers_apart(count, receive, send);
    run.compare(
        "unbounded, from one thread to another",
        "ns/message",
        41,
        &mut [
            ("fiber mpsc", &mut || fibers(pair!(mpsc::channel(), count), count)),
            ("crossbeam", &mut || together!(count, std::thread::spawn, pair!(crossbeam_channel::unbounded(), count))),
            ("std", &mut || together!(count, std::thread::spawn, pair!(std::sync::mpsc::channel(), count))),
            ("tokio", &mut || tokio(count)),
        ],
    );
    let tokio = |count: usize| {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(BOUND);
        let receives = async move {
            for _ in 0..count {
                receiver.recv().await.unwrap();
            }
        };
        let sends = async move {
            for n in 0..count {
                sender.send(n).await.unwrap();
            }
        };
        places.tasks_apart(count, receives, sends)
    };
    run.compare(
        "bounded, from one thread to another",
        "ns/message",
        41,
        &mut [
            ("fiber mpsc", &mut || fibers(pair!(mpsc::sync_channel(BOUND), count), count)),
            ("crossbeam", &mut || {
                together!(count, std::thread::spawn, pair!(crossbeam_channel::bounded(BOUND), count))
            }),
            ("std", &mut || together!(count, std::thread::spawn, pair!(std::sync::mpsc::sync_channel(BOUND), count))),
            ("tokio", &mut || tokio(count)),
        ],
    );
    let rounds = run.pick(5_000, 10);
    run.compare(
        "watch, to and fro between threads",
        "ns/round",
        15,
        &mut [
            ("fiber", &mut || {
                let [one, other] = watching(rounds);
                places.fibers_apart(rounds, one, other)
            }),
            ("tokio", &mut || {
                use tokio::sync::watch;
                let ((to, mut there), (back, mut here)) = (watch::channel(0), watch::channel(0));
                let one = async move {
                    for n in 1..=rounds {
                        to.send(n).unwrap();
                        here.changed().await.unwrap();
                    }
                };
                let other = async move {
                    for n in 1..=rounds {
                        there.changed().await.unwrap();
                        back.send(n).unwrap();
                    }
                };
                places.tasks_apart(rounds, one, other)
            }),
        ],
    );
}

/// The work of two fibers that answer each other by a value that each watches.
fn watching(count: usize) -> [Work; 2] {
    let ((to, mut there), (back, mut here)) = (watch::channel(0), watch::channel(0));
    let one = move || {
        for n in 1..=count {
            to.send(n).unwrap();
            here.changed().unwrap();
        }
    };
    let other = move || {
        for n in 1..=count {
            there.changed().unwrap();
            back.send(n).unwrap();
        }
    };
    [Box::new(one), Box::new(other)]
}

fn unawaited(run: &Run, places: &Places) {
    let rounds = run.pick(20, 2);
    macro_rules! batches {
        ($ends:expr) => {{
            let (sender, receiver) = $ends;
            let watch = Stopwatch::start(rounds * BATCH);
            for _ in 0..rounds {
                (0..BATCH).for_each(|n| black_box(&sender).send(n).unwrap());
                (0..BATCH).for_each(|_| _ = black_box(black_box(&receiver).recv().unwrap()));
            }
            watch.each()
        }};
    }
    run.compare(
        "unbounded, nobody waits",
        "ns/message",
        301,
        &mut [
            ("fiber mpsc", &mut || places.fiber(|| batches!(mpsc::channel()))),
            ("fiber mpmc", &mut || places.fiber(|| batches!(mpmc::channel()))),
            ("tokio", &mut || {
                places.tokio(async move {
                    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                    let watch = Stopwatch::start(rounds * BATCH);
                    for _ in 0..rounds {
                        (0..BATCH).for_each(|n| black_box(&sender).send(n).unwrap());
                        for _ in 0..BATCH {
                            black_box(black_box(&mut receiver).recv().await.unwrap());
                        }
                    }
                    watch.each()
                })
            }),
            ("may", &mut || places.may(move || batches!(may::sync::mpsc::channel()))),
            ("crossbeam", &mut || batches!(crossbeam_channel::unbounded())),
            ("std", &mut || batches!(std::sync::mpsc::channel())),
        ],
    );
}

fn single(run: &Run, places: &Places) {
    let count = run.pick(2_000, 10);
    run.compare(
        "oneshot: made, sent, received",
        "ns/message",
        301,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let watch = Stopwatch::start(count);
                    for n in 0..count {
                        let (sender, receiver) = oneshot::channel();
                        sender.send(n).unwrap();
                        black_box(receiver.recv().unwrap());
                    }
                    watch.each()
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let watch = Stopwatch::start(count);
                    for n in 0..count {
                        let (sender, receiver) = tokio::sync::oneshot::channel();
                        sender.send(n).unwrap();
                        black_box(receiver.await.unwrap());
                    }
                    watch.each()
                })
            }),
        ],
    );
}

fn unbounded(run: &Run, places: &Places) {
    let count = run.pick(60_000, 10);
    run.compare(
        "unbounded, one to one",
        "ns/message",
        15,
        &mut [
            ("fiber mpsc", &mut || places.fiber(|| together!(count, fiber::spawn, pair!(mpsc::channel(), count)))),
            ("fiber mpmc", &mut || places.fiber(|| together!(count, fiber::spawn, pair!(mpmc::channel(), count)))),
            ("may", &mut || {
                places.may(move || together!(count, |f| may::go!(f), pair!(may::sync::mpsc::channel(), count)))
            }),
            ("crossbeam, threads", &mut || {
                together!(count, std::thread::spawn, pair!(crossbeam_channel::unbounded(), count))
            }),
            ("std, threads", &mut || together!(count, std::thread::spawn, pair!(std::sync::mpsc::channel(), count))),
            ("tokio", &mut || {
                places.tokio(async move {
                    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                    let watch = Stopwatch::start(count);
                    let receives = tokio::spawn(async move {
                        for _ in 0..count {
                            receiver.recv().await.unwrap();
                        }
                    });
                    tokio::spawn(async move { (0..count).for_each(|n| sender.send(n).unwrap()) }).await.unwrap();
                    receives.await.unwrap();
                    watch.each()
                })
            }),
        ],
    );
}

fn bounded(run: &Run, places: &Places) {
    let count = run.pick(60_000, 10);
    run.compare(
        "bounded, one to one",
        "ns/message",
        15,
        &mut [
            ("fiber mpsc", &mut || {
                places.fiber(|| together!(count, fiber::spawn, pair!(mpsc::sync_channel(BOUND), count)))
            }),
            ("fiber mpmc", &mut || {
                places.fiber(|| together!(count, fiber::spawn, pair!(mpmc::sync_channel(BOUND), count)))
            }),
            ("crossbeam, threads", &mut || {
                together!(count, std::thread::spawn, pair!(crossbeam_channel::bounded(BOUND), count))
            }),
            ("std, threads", &mut || {
                together!(count, std::thread::spawn, pair!(std::sync::mpsc::sync_channel(BOUND), count))
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let (sender, mut receiver) = tokio::sync::mpsc::channel(BOUND);
                    let watch = Stopwatch::start(count);
                    let receives = tokio::spawn(async move {
                        for _ in 0..count {
                            receiver.recv().await.unwrap();
                        }
                    });
                    for n in 0..count {
                        sender.send(n).await.unwrap();
                    }
                    receives.await.unwrap();
                    watch.each()
                })
            }),
        ],
    );
}

/// From hand to hand; Tokio and `may` have no such channel.
fn rendezvous(run: &Run, places: &Places) {
    let count = run.pick(20_000, 10);
    run.compare(
        "rendezvous, one to one",
        "ns/message",
        15,
        &mut [
            ("fiber mpsc", &mut || {
                places.fiber(|| together!(count, fiber::spawn, pair!(mpsc::sync_channel(0), count)))
            }),
            ("std, threads", &mut || {
                together!(count, std::thread::spawn, pair!(std::sync::mpsc::sync_channel(0), count))
            }),
            ("crossbeam, threads", &mut || {
                together!(count, std::thread::spawn, pair!(crossbeam_channel::bounded(0), count))
            }),
        ],
    );
}

/// Tokio has no channel of many receivers; that of `may` has no bound.
fn many(run: &Run, places: &Places) {
    let each = run.pick(2_500, 10);
    let count = each * MANY;
    run.compare(
        "unbounded, four to four",
        "ns/message",
        101,
        &mut [
            ("fiber", &mut || places.fiber(|| together!(count, fiber::spawn, crowd!(mpmc::channel(), each)))),
            ("may", &mut || {
                places.may(move || together!(count, |f| may::go!(f), crowd!(may::sync::mpmc::channel(), each)))
            }),
            ("crossbeam, threads", &mut || {
                together!(count, std::thread::spawn, crowd!(crossbeam_channel::unbounded(), each))
            }),
        ],
    );
    run.compare(
        "bounded, four to four",
        "ns/message",
        101,
        &mut [
            ("fiber", &mut || places.fiber(|| together!(count, fiber::spawn, crowd!(mpmc::sync_channel(BOUND), each)))),
            ("crossbeam, threads", &mut || {
                together!(count, std::thread::spawn, crowd!(crossbeam_channel::bounded(BOUND), each))
            }),
        ],
    );
}

/// One asks, the other answers by a oneshot that came with the question.
fn answers(run: &Run, places: &Places) {
    let count = run.pick(2_000, 10);
    run.compare(
        "oneshot: question and answer",
        "ns/answer",
        101,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let (asks, asked) = mpsc::channel::<oneshot::Sender<usize>>();
                    let answers: Work =
                        Box::new(move || asked.iter().enumerate().for_each(|(n, asker)| asker.send(n).unwrap()));
                    let questions: Work = Box::new(move || {
                        for _ in 0..count {
                            let (sender, receiver) = oneshot::channel();
                            asks.send(sender).unwrap();
                            receiver.recv().unwrap();
                        }
                    });
                    together!(count, fiber::spawn, [answers, questions])
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let (asks, mut asked) =
                        tokio::sync::mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<usize>>();
                    let watch = Stopwatch::start(count);
                    let answers = tokio::spawn(async move {
                        while let Some(asker) = asked.recv().await {
                            asker.send(1).unwrap();
                        }
                    });
                    let questions = tokio::spawn(async move {
                        for _ in 0..count {
                            let (sender, receiver) = tokio::sync::oneshot::channel();
                            asks.send(sender).unwrap();
                            receiver.await.unwrap();
                        }
                    });
                    questions.await.unwrap();
                    answers.await.unwrap();
                    watch.each()
                })
            }),
        ],
    );
}

fn to_all(run: &Run, places: &Places) {
    let count = run.pick(20_000, 10);
    run.compare(
        "broadcast, one to four",
        "ns/message",
        15,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let (sender, receiver) = broadcast::channel::<usize>(count);
                    let mut work: Vec<Work> = Vec::new();
                    for _ in 0..MANY {
                        let mut receiver = receiver.resubscribe();
                        work.push(Box::new(move || (0..count).for_each(|_| _ = black_box(receiver.recv().unwrap()))));
                    }
                    work.push(Box::new(move || {
                        for n in 0..count {
                            sender.send(n).unwrap();
                            if n % BOUND == 0 {
                                fiber::yield_now();
                            }
                        }
                    }));
                    together!(count, fiber::spawn, work)
                })
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let (sender, receiver) = tokio::sync::broadcast::channel::<usize>(count);
                    let watch = Stopwatch::start(count);
                    let receivers = (0..MANY).map(|_| {
                        let mut receiver = receiver.resubscribe();
                        tokio::spawn(async move {
                            for _ in 0..count {
                                receiver.recv().await.unwrap();
                            }
                        })
                    });
                    let receivers: Vec<_> = receivers.collect();
                    for n in 0..count {
                        sender.send(n).unwrap();
                        if n % BOUND == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                    for receiver in receivers {
                        receiver.await.unwrap();
                    }
                    watch.each()
                })
            }),
        ],
    );
}

/// Two answer each other by a value that each watches.
fn latest(run: &Run, places: &Places) {
    let count = run.pick(20_000, 10);
    run.compare(
        "watch, to and fro",
        "ns/round",
        15,
        &mut [
            ("fiber", &mut || places.fiber(|| together!(count, fiber::spawn, watching(count)))),
            ("tokio", &mut || {
                places.tokio(async move {
                    use tokio::sync::watch;
                    let ((to, mut there), (back, mut here)) = (watch::channel(0), watch::channel(0));
                    let watch = Stopwatch::start(count);
                    let one = tokio::spawn(async move {
                        for n in 1..=count {
                            to.send(n).unwrap();
                            here.changed().await.unwrap();
                        }
                    });
                    let other = tokio::spawn(async move {
                        for n in 1..=count {
                            there.changed().await.unwrap();
                            back.send(n).unwrap();
                        }
                    });
                    one.await.unwrap();
                    other.await.unwrap();
                    watch.each()
                })
            }),
        ],
    );
}

/// Receives from two bounded channels, whichever has something.
fn first(run: &Run, places: &Places) {
    let each = run.pick(20_000, 10);
    let count = 2 * each;
    run.compare(
        "select of two receives",
        "ns/message",
        15,
        &mut [
            ("fiber", &mut || {
                places.fiber(|| {
                    let ((to_one, one), (to_other, other)) = (mpsc::sync_channel(BOUND), mpsc::sync_channel(BOUND));
                    let selects: Work = Box::new(move || {
                        for _ in 0..count {
                            fiber::select! {
                                message = one.recv() => discard(message.unwrap()),
                                message = other.recv() => discard(message.unwrap()),
                            }
                        }
                        // Both ends live to the last message.
                    });
                    let sends = |sender: mpsc::SyncSender<usize>| -> Work {
                        Box::new(move || {
                            (0..each).for_each(|n| sender.send(n).unwrap());
                            std::mem::forget(sender);
                        })
                    };
                    together!(count, fiber::spawn, [selects, sends(to_one), sends(to_other)])
                })
            }),
            ("crossbeam, threads", &mut || {
                let ((to_one, one), (to_other, other)) =
                    (crossbeam_channel::bounded(BOUND), crossbeam_channel::bounded(BOUND));
                let selects: Work = Box::new(move || {
                    for _ in 0..count {
                        crossbeam_channel::select! {
                            recv(one) -> message => discard(message.unwrap()),
                            recv(other) -> message => discard(message.unwrap()),
                        }
                    }
                });
                let sends = |sender: crossbeam_channel::Sender<usize>| -> Work {
                    Box::new(move || {
                        (0..each).for_each(|n| sender.send(n).unwrap());
                        std::mem::forget(sender);
                    })
                };
                together!(count, std::thread::spawn, [selects, sends(to_one), sends(to_other)])
            }),
            ("tokio", &mut || {
                places.tokio(async move {
                    let ((to_one, mut one), (to_other, mut other)) =
                        (tokio::sync::mpsc::channel(BOUND), tokio::sync::mpsc::channel(BOUND));
                    let sends = |sender: tokio::sync::mpsc::Sender<usize>| async move {
                        for n in 0..each {
                            sender.send(n).await.unwrap();
                        }
                        std::mem::forget(sender);
                    };
                    let watch = Stopwatch::start(count);
                    let senders = [tokio::spawn(sends(to_one)), tokio::spawn(sends(to_other))];
                    for _ in 0..count {
                        tokio::select! {
                            message = one.recv() => discard(message.unwrap()),
                            message = other.recv() => discard(message.unwrap()),
                        }
                    }
                    for sender in senders {
                        sender.await.unwrap();
                    }
                    watch.each()
                })
            }),
        ],
    );
}
