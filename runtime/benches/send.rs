//! Sending over loopback: with a copy, and from memory that is lent to the kernel; a file through a buffer, and by the kernel.
//!
//! The sender is a fiber, the receiver a thread that reads and throws away; on different processors where there are several. The sender waits
//! for each buffer that it has lent before it lends the next: it has one.

mod common;

use common::{Run, machine, time_each};
use fiber::net::{TcpStream, UnixStream};
use fiber::runtime::Runtime;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::thread;

/// Sends a buffer, and gives it back.
type Send = fn(&mut TcpStream, Vec<u8>) -> Vec<u8>;

/// A connection whose other end reads everything.
fn connection() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    thread::spawn(move || {
        let mut buf = vec![0; 1 << 20];
        while far.read(&mut buf).unwrap() > 0 {}
    });
    TcpStream::from(OwnedFd::from(near))
}

/// Files, which are in memory.
fn files(run: &Run, runtime: &Runtime) {
    for (size, times) in [(256 << 10, 40), (16 << 20, 4)] {
        let title = format!("send a file, KiB: {}", size >> 10);
        if !run.selects(&title) {
            continue;
        }
        let names = ["through a buffer", "send_file"];
        let path = std::env::temp_dir().join(format!("fiber-bench-send-{}", std::process::id()));
        std::fs::write(&path, vec![1; size]).unwrap();
        let times = run.pick(times, 1);
        let rounds = run.alternate(7, names.len(), |subject| {
            let (mut stream, path) = (connection(), path.clone());
            runtime.run(move || {
                let before = machine::read(machine::thread_clock());
                let each = time_each(times, || {
                    for _ in 0..times {
                        let mut file = fiber::fs::File::open(&path).unwrap();
                        let sent = match subject {
                            0 => fiber::io::copy(&mut std::io::Read::by_ref(&mut file).take(u64::MAX), &mut stream)
                                .unwrap(),
                            _ => stream.send_file(&file, 0, u64::MAX).unwrap(),
                        };
                        assert_eq!(sent, size as u64);
                    }
                });
                (each, (machine::read(machine::thread_clock()) - before) as f64 / times as f64)
            })
        });
        std::fs::remove_file(&path).unwrap();
        let column = |pick: fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
            rounds.iter().map(|rounds| rounds.iter().map(pick).collect()).collect()
        };
        common::show(&format!("{title}, time"), "ns each", &names, &column(|round| round.0));
        common::show(&format!("{title}, processor time of the worker"), "ns each", &names, &column(|round| round.1));
    }
}

/// From a connection into a pipe, such as that of a child process; threads fill the one and empty the other.
fn into_pipes(run: &Run, runtime: &Runtime) {
    let names = ["through a buffer", "io::copy"];
    for local in [true, false] {
        let title = format!("into a pipe, 16 MiB, from {}", if local { "a local connection" } else { "TCP" });
        if !run.selects(&title) {
            continue;
        }
        let pieces = run.pick(256, 16);
        let rounds = run.alternate(7, names.len(), |subject| {
            let (local_from, local_to) = UnixStream::pair().unwrap();
            let (tcp_from, tcp_to) = tcp_pair();
            runtime.run(move || {
                let (mut reader, mut writer) = fiber::io::pipe().unwrap();
                let (mut local_from, mut tcp_from) = (local_from, tcp_from);
                let (whole, own) = (machine::read(machine::PROCESS_CLOCK), machine::read(machine::thread_clock()));
                let filling = thread::spawn(move || {
                    let data = vec![1; 64 << 10];
                    let (mut local_to, mut tcp_to) = (local_to, tcp_to);
                    let to: &mut dyn Write = if local { &mut local_to } else { &mut tcp_to };
                    (0..pieces).for_each(|_| to.write_all(&data).unwrap());
                });
                let emptying = thread::spawn(move || {
                    let mut buf = vec![0; 1 << 20];
                    while reader.read(&mut buf).unwrap() > 0 {}
                });
                let each = time_each(1, || {
                    let copied = match (local, subject) {
                        (true, 0) => fiber::io::copy(&mut Read::by_ref(&mut local_from).take(u64::MAX), &mut writer),
                        (true, _) => fiber::io::copy(&mut local_from, &mut writer),
                        (false, 0) => fiber::io::copy(&mut Read::by_ref(&mut tcp_from).take(u64::MAX), &mut writer),
                        (false, _) => fiber::io::copy(&mut tcp_from, &mut writer),
                    };
                    assert_eq!(copied.unwrap(), (pieces * (64 << 10)) as u64);
                });
                drop(writer);
                let own = (machine::read(machine::thread_clock()) - own) as f64;
                fiber::blocking(|| (filling.join().unwrap(), emptying.join().unwrap()));
                (each, own, (machine::read(machine::PROCESS_CLOCK) - whole) as f64)
            })
        });
        let column = |pick: fn(&(f64, f64, f64)) -> f64| -> Vec<Vec<f64>> {
            rounds.iter().map(|rounds| rounds.iter().map(pick).collect()).collect()
        };
        common::show(&format!("{title}, time"), "ns each", &names, &column(|round| round.0));
        common::show(&format!("{title}, processor time of the worker"), "ns each", &names, &column(|round| round.1));
        common::show(&format!("{title}, processor time of the process"), "ns each", &names, &column(|round| round.2));
    }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    (TcpStream::from(OwnedFd::from(near)), TcpStream::from(OwnedFd::from(far)))
}

fn main() {
    let run = Run::start("sending over loopback");
    let processors = machine::processors();
    let (near_side, far_side) = (processors[processors.len() - 1], processors[0]);
    println!("the sender runs on processor {near_side}, the receiver on {far_side}");
    machine::stay_on(&[near_side]);
    let runtime = common::runtime(1);
    machine::stay_on(&[far_side]);
    files(&run, &runtime);
    into_pipes(&run, &runtime);
    for (size, times) in [(4 << 10, 300), (64 << 10, 200), (1 << 20, 30)] {
        let title = format!("send, KiB: {}", size >> 10);
        if !run.selects(&title) {
            continue;
        }
        let times = run.pick(times, 10);
        let names = ["write", "send_zero_copy"];
        let subjects: [Send; 2] = [
            |stream, buffer| {
                stream.write_all(&buffer).unwrap();
                buffer
            },
            |stream, buffer| {
                let len = buffer.len();
                let (sent, lent) = stream.send_zero_copy(buffer);
                assert_eq!(sent.unwrap(), len);
                lent.reclaim().unwrap()
            },
        ];
        let rounds = run.alternate(7, subjects.len(), |subject| {
            let (mut stream, mut buffer) = (connection(), vec![1; size]);
            let (send, clock_of) = (subjects[subject], machine::thread_clock);
            runtime.run(move || {
                // The connection finds its pace.
                buffer = send(&mut stream, buffer);
                let before = machine::read(clock_of());
                let each = time_each(times, || {
                    for _ in 0..times {
                        buffer = send(&mut stream, std::mem::take(&mut buffer));
                    }
                });
                (each, (machine::read(clock_of()) - before) as f64 / times as f64)
            })
        });
        let column = |pick: fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
            rounds.iter().map(|rounds| rounds.iter().map(pick).collect()).collect()
        };
        common::show(&format!("{title}, time"), "ns each", &names, &column(|round| round.0));
        common::show(&format!("{title}, processor time of the sender"), "ns each", &names, &column(|round| round.1));
    }
}
