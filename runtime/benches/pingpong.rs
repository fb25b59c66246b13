//! Round trips between two fibers: over channels, and by park and unpark.

mod common;

use common::{Run, bare, machine, time_each};
use fiber::sync::mpsc::{channel, sync_channel};
use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Where the second fiber is to run.
#[derive(Clone, Copy)]
enum Peer {
    SameWorker,
    OtherWorker,
}

/// Spawns `f`, and makes sure that it runs where it is to.
fn spawn<T: Send + 'static>(peer: Peer, f: impl FnOnce() -> T + Send + 'static) -> fiber::JoinHandle<T> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    STARTED.store(false, Release);
    let here = std::thread::current().id();
    let spawned = fiber::spawn(move || {
        let same = std::thread::current().id() == here;
        assert_eq!(same, matches!(peer, Peer::SameWorker), "the fiber started where it was not to");
        STARTED.store(true, Release);
        f()
    });
    if let Peer::OtherWorker = peer {
        // This worker starts nothing while this fiber holds it, so another one will.
        while !STARTED.load(Acquire) {
            spin_loop();
            std::thread::yield_now();
        }
    }
    spawned
}

fn over_channels(peer: Peer, times: usize) -> f64 {
    let (ping, pings) = channel::<usize>();
    let (pong, pongs) = channel::<usize>();
    let echo = spawn(peer, move || pings.iter().map(|number| pong.send(number).unwrap()).count());
    let mut sum = 0;
    let each = time_each(times, || {
        for number in 0..times {
            ping.send(number).unwrap();
            sum += pongs.recv().unwrap();
        }
    });
    drop(ping);
    assert_eq!((echo.join().unwrap(), sum), (times, times * (times - 1) / 2));
    each
}

fn over_bounded_channels(peer: Peer, times: usize) -> f64 {
    let (ping, pings) = sync_channel::<usize>(1);
    let (pong, pongs) = sync_channel::<usize>(1);
    let echo = spawn(peer, move || pings.iter().map(|number| pong.send(number).unwrap()).count());
    let mut sum = 0;
    let each = time_each(times, || {
        for number in 0..times {
            ping.send(number).unwrap();
            sum += pongs.recv().unwrap();
        }
    });
    drop(ping);
    assert_eq!((echo.join().unwrap(), sum), (times, times * (times - 1) / 2));
    each
}

fn by_parking(peer: Peer, times: usize) -> f64 {
    let first = fiber::current();
    let second = spawn(peer, move || {
        for _ in 0..times {
            fiber::park();
            first.unpark();
        }
    });
    let other = second.fiber();
    let each = time_each(times, || {
        for _ in 0..times {
            other.unpark();
            fiber::park();
        }
    });
    second.join().unwrap();
    each
}

fn over_std_channels(times: usize) -> f64 {
    let (ping, pings) = std::sync::mpsc::channel::<usize>();
    let (pong, pongs) = std::sync::mpsc::channel::<usize>();
    let echo = std::thread::spawn(move || pings.iter().map(|number| pong.send(number).unwrap()).count());
    let mut sum = 0;
    let each = time_each(times, || {
        for number in 0..times {
            ping.send(number).unwrap();
            sum += pongs.recv().unwrap();
        }
    });
    drop(ping);
    assert_eq!((echo.join().unwrap(), sum), (times, times * (times - 1) / 2));
    each
}

/// Two coroutines in the minimal run loop that pass a number back and forth through a cell each.
fn bare(times: usize) -> f64 {
    thread_local! {
        static CELLS: [Cell<Option<usize>>; 2] = const { [const { Cell::new(None) }; 2] };
        static SUM: Cell<usize> = const { Cell::new(0) };
    }
    fn receive(cell: usize) -> usize {
        loop {
            if let Some(number) = CELLS.with(|cells| cells[cell].take()) {
                return number;
            }
            bare::yield_now();
        }
    }
    SUM.set(0);
    let mut coroutines = bare::Loop::new(2, move |index| {
        for number in 0..times {
            if index == 0 {
                CELLS.with(|cells| cells[0].set(Some(number)));
                SUM.set(SUM.get() + receive(1));
            } else {
                let number = receive(0);
                CELLS.with(|cells| cells[1].set(Some(number)));
            }
        }
    });
    let mut resumed = 0;
    let each = time_each(times, || resumed = coroutines.run());
    assert!(resumed >= 2 * times);
    assert_eq!(SUM.get(), times * (times - 1) / 2);
    each
}

fn main() {
    let run = Run::start("ping-pong: a message to another fiber and one back");
    let times = run.pick(300_000, 1000);
    machine::on_one(|| {
        let runtime = common::runtime(1);
        run.compare(
            "ping-pong, one worker",
            "ns a round trip",
            11,
            &mut [
                ("fiber::sync::mpsc::channel", &mut || runtime.run(|| over_channels(Peer::SameWorker, times))),
                ("fiber::sync::mpsc::sync_channel(1)", &mut || {
                    runtime.run(|| over_bounded_channels(Peer::SameWorker, times))
                }),
                ("fiber::park, unpark", &mut || runtime.run(|| by_parking(Peer::SameWorker, times))),
                ("std::sync::mpsc, two threads, one processor", &mut || over_std_channels(times / 10)),
                ("limit: minimal run loop, a cell each way", &mut || bare(times)),
            ],
        );
    });
    let runtime = common::runtime(2);
    let times = times / 10;
    run.compare(
        "ping-pong, two workers",
        "ns a round trip",
        11,
        &mut [
            ("fiber::sync::mpsc::channel", &mut || runtime.run(|| over_channels(Peer::OtherWorker, times))),
            ("fiber::sync::mpsc::sync_channel(1)", &mut || {
                runtime.run(|| over_bounded_channels(Peer::OtherWorker, times))
            }),
            ("fiber::park, unpark", &mut || runtime.run(|| by_parking(Peer::OtherWorker, times))),
            ("std::sync::mpsc, two threads", &mut || over_std_channels(times)),
        ],
    );
}
