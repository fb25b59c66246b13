//! The two engines that switch fibers, beside each other: our own, and corosensei's, which the feature `corosensei-switch` chooses.
//!
//! A program has one of them, so this one builds itself once more with the feature, and runs both in alternation:
//!
//! ```text
//! cargo bench -p fiber --bench switch
//! ```
//!
//! Instructions, which repeat exactly (our engine, x86-64, rustc 1.95, `FIBER_DRIVER=epoll valgrind --tool=callgrind` on this program with
//! `--row 0` and so on, less the 8 million of start and end): a yield 58; a round trip of park and unpark, which is two suspensions and two
//! wakes on the same worker, 438; of two channels 913; a spawn with its end and join 537; of echo, client and server, outside of the kernel 2,671.
//!
//! Times are processor time of the one worker, which is pinned to one processor; each value is the least of some short measurements
//! of one process. On an architecture that has no engine of our own both are corosensei's.

mod common;

use common::{Run, busy_each, machine, show};
use fiber::net::{TcpListener, TcpStream};
use std::cell::Cell;
use std::io::{Read, Write};
use std::process::Command;
use std::rc::Rc;

/// What is measured: title, unit, and the measurement, which is told whether to be short.
type Row = (&'static str, &'static str, fn(bool) -> f64);

const ROWS: [Row; 9] = [
    ("yield, 1 fiber", "ns a yield", |short| yielding(short, 1)),
    ("yield, 1 fiber, out of line", "ns a yield", |short| yielding_out_of_line(short, 1)),
    ("yield, 1000 fibers", "ns a yield", |short| yielding_out_of_line(short, 1000)),
    ("yield, 10,000 fibers", "ns a yield", |short| yielding_out_of_line(short, 10_000)),
    ("yield, 100,000 fibers", "ns a yield", |short| yielding_out_of_line(short, 100_000)),
    ("ping-pong, park and unpark", "ns a round trip", parking),
    ("ping-pong, two channels", "ns a round trip", channels),
    ("spawn and join, batches of 1000", "ns a fiber", spawning),
    ("echo, 64 bytes, 16 connections", "ns a round trip, both ends", echo),
];

/// Fibers that all do `yields`; nanoseconds for one yield, once all have started.
fn among(short: bool, fibers: usize, yields: fn(usize)) -> f64 {
    let fibers = if short { fibers.min(100) } else { fibers };
    let times = (200_000 / fibers).max(2);
    let times = if short { 10 } else { times };
    let rounds = if short { 1 } else { 15 };
    let (started, go) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(false)));
    let others: Vec<_> = (1..fibers)
        .map(|_| {
            let (started, go) = (started.clone(), go.clone());
            fiber::spawn_local(move || {
                started.set(started.get() + 1);
                while !go.get() {
                    fiber::yield_now();
                }
                yields(times * rounds);
            })
        })
        .collect();
    while started.get() < fibers {
        fiber::yield_now();
    }
    go.set(true);
    let least = (0..rounds).map(|_| busy_each(fibers * times, || yields(times))).fold(f64::INFINITY, f64::min);
    others.into_iter().for_each(|other| other.join().unwrap());
    least
}

fn yielding(short: bool, fibers: usize) -> f64 {
    among(short, fibers, |times| (0..times).for_each(|_| fiber::yield_now()))
}

/// As waits inside other functions do it: the switch is not in the function that loops.
fn yielding_out_of_line(short: bool, fibers: usize) -> f64 {
    #[inline(never)]
    fn wait() {
        fiber::yield_now();
        std::hint::black_box(());
    }
    among(short, fibers, |times| (0..times).for_each(|_| wait()))
}

fn least_of(short: bool, times: usize, mut work: impl FnMut(usize)) -> f64 {
    let (times, rounds) = if short { (100, 1) } else { (times, 15) };
    (0..rounds).map(|_| busy_each(times, || work(times))).fold(f64::INFINITY, f64::min)
}

fn parking(short: bool) -> f64 {
    least_of(short, 20_000, |times| {
        let first = fiber::current();
        let second = fiber::spawn(move || {
            for _ in 0..times {
                fiber::park();
                first.unpark();
            }
        });
        for _ in 0..times {
            second.fiber().unpark();
            fiber::park();
        }
        second.join().unwrap();
    })
}

fn channels(short: bool) -> f64 {
    least_of(short, 20_000, |times| {
        let (ping, pings) = fiber::sync::mpsc::channel::<usize>();
        let (pong, pongs) = fiber::sync::mpsc::channel::<usize>();
        let echo = fiber::spawn(move || pings.iter().map(|number| pong.send(number).unwrap()).count());
        for number in 0..times {
            ping.send(number).unwrap();
            assert_eq!(pongs.recv(), Ok(number));
        }
        drop(ping);
        assert_eq!(echo.join().unwrap(), times);
    })
}

fn spawning(short: bool) -> f64 {
    least_of(short, 50_000, |times| {
        for _ in 0..times.div_ceil(1000) {
            let fibers: Vec<_> = (0..1000).map(|index| fiber::spawn(move || index)).collect();
            let sum: usize = fibers.into_iter().map(|fiber| fiber.join().unwrap()).sum();
            assert_eq!(sum, 999 * 500);
        }
    })
}

fn echo(short: bool) -> f64 {
    const CONNECTIONS: usize = 16;
    least_of(short, 16_000, |times| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                fiber::spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.set_nodelay(true).unwrap();
                    for _ in 0..times.div_ceil(CONNECTIONS) {
                        let mut message = [7; 64];
                        stream.write_all(&message).unwrap();
                        stream.read_exact(&mut message).unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..CONNECTIONS {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            fiber::spawn(move || {
                let mut message = [0; 64];
                while stream.read_exact(&mut message).is_ok() {
                    stream.write_all(&message).unwrap();
                }
            });
        }
        clients.into_iter().for_each(|client| client.join().unwrap());
    })
}

/// Builds this program with corosensei's engine; where it is.
fn build_other() -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["bench", "--bench", "switch", "--features", "corosensei-switch", "--no-run", "--message-format", "json"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .stderr(std::process::Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "the other engine cannot be built");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let found =
        messages.lines().filter_map(|line| line.split("\"executable\":\"").nth(1)?.split('"').next()).next_back();
    found.expect("cargo names the program").to_owned()
}

/// What the program measures for a row.
fn ask(program: &str, row: usize) -> f64 {
    let output = Command::new(program).args(["--row", &row.to_string()]).output().expect("the program can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints a number")
}

fn measure(row: usize, short: bool) -> f64 {
    machine::on_one(|| common::runtime(1).run(move || ROWS[row].2(short)))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, row] = arguments.as_slice()
        && option == "--row"
    {
        println!("{}", measure(row.parse().expect("a number of a row"), false));
        return;
    }
    let run = Run::start("the switch, by jump and by call and return");
    let is_other = cfg!(feature = "corosensei-switch");
    if run.is_short() || is_other {
        for (row, (title, unit, _)) in ROWS.iter().enumerate() {
            if run.selects(title) {
                println!("{title}: {:.1} {unit}", measure(row, run.is_short()));
            }
        }
        return;
    }
    let other = build_other();
    let own =
        std::env::current_exe().expect("this program has a path").into_os_string().into_string().expect("in UTF-8");
    let programs = [own.as_str(), other.as_str()];
    for (row, (title, unit, _)) in ROWS.iter().enumerate() {
        if run.selects(title) {
            let values = run.alternate(7, programs.len(), |program| ask(programs[program], row));
            show(title, unit, &["jump", "corosensei"], &values);
        }
    }
}
