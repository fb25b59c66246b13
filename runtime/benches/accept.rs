//! Accepting TCP connections over loopback, one by one and in bursts: one request to the kernel for each, or one for many.
//!
//! The server is a fiber that accepts and hangs up. The clients are a thread that connects, a burst at a time, and waits for the end
//! of each connection of the burst; on another processor than the server where there is one.
//!
//! Last, how long-lived connections are shared by the workers: counted, not timed.

mod common;

use common::{Run, machine, time_each};
use fiber::net::{SpreadListener, TcpListener, TcpStream};
use fiber::runtime::{Runtime, current_worker};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;

/// A server that is up.
struct Server {
    address: SocketAddr,
    /// The processor time of its thread.
    clock: libc::clockid_t,
}

fn start(runtime: &Runtime, serve: impl FnOnce(TcpListener) + Send + 'static) -> Server {
    let (report, reports) = channel();
    runtime.spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        report.send(Server { address: listener.local_addr().unwrap(), clock: machine::thread_clock() }).unwrap();
        serve(listener);
    });
    reports.recv().unwrap()
}

/// Hangs up on everybody, until the end of the runtime cancels the wait.
fn hang_up(connections: impl Iterator<Item = io::Result<TcpStream>>) {
    for peer in connections {
        let Ok(_) = peer else { return };
    }
}

/// How many connections each worker serves, of so many that stay, so many of them made at a time.
fn shares(workers: usize, connections: usize, burst: usize, spread: bool) -> Vec<usize> {
    let runtime = common::runtime(workers);
    let shares: Arc<[AtomicUsize]> = (0..workers).map(|_| AtomicUsize::new(0)).collect();
    let serve = {
        let shares = shares.clone();
        move |mut peer: TcpStream| {
            shares[current_worker().unwrap()].fetch_add(1, Relaxed);
            let _ = peer.read(&mut [0; 1]);
        }
    };
    let (report, reports) = channel();
    runtime.spawn(move || {
        if spread {
            let listener = SpreadListener::bind("127.0.0.1:0").unwrap();
            report.send(listener.local_addr().unwrap()).unwrap();
            let _ = listener.serve(|peer, _| serve(peer));
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        report.send(listener.local_addr().unwrap()).unwrap();
        for peer in listener.incoming() {
            let (Ok(peer), serve) = (peer, serve.clone()) else { return };
            fiber::spawn(move || serve(peer));
        }
    });
    let address = reports.recv().unwrap();
    let counts = || shares.iter().map(|count| count.load(Relaxed)).collect::<Vec<_>>();
    let mut clients = Vec::new();
    while clients.len() < connections {
        clients.extend((0..burst).map(|_| std::net::TcpStream::connect(address).unwrap()));
        while counts().iter().sum::<usize>() < clients.len() {
            std::thread::yield_now();
        }
    }
    counts()
}

fn show_shares(run: &Run) {
    let connections = run.pick(512, 128);
    for workers in [2, 4, 8] {
        let title = format!("shares of {connections} connections, workers: {workers}");
        if !run.selects(&title) {
            continue;
        }
        println!("\n{title}");
        for (name, spread) in [("one listener", false), ("SpreadListener", true)] {
            for burst in [1, 16, 128] {
                println!("  {name:14}  at a time: {burst:3}  {:?}", shares(workers, connections, burst, spread));
            }
        }
    }
}

/// So many connections, so many at a time; nanoseconds for each.
fn put_on(address: SocketAddr, connections: usize, burst: usize) -> f64 {
    let mut clients = Vec::with_capacity(burst);
    time_each(connections, || {
        for _ in 0..connections / burst {
            clients.extend((0..burst).map(|_| std::net::TcpStream::connect(address).unwrap()));
            for mut client in clients.drain(..) {
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            }
        }
    })
}

fn main() {
    let run = Run::start("accepting TCP connections over loopback");
    let processors = machine::processors();
    let all = processors.clone();
    let (server_side, client_side) = (processors[processors.len() - 1], processors[0]);
    println!("the servers run on processor {server_side}, the clients on {client_side}");
    machine::stay_on(&[server_side]);
    let runtime = common::runtime(1);
    let servers = [
        start(&runtime, |listener| hang_up(listener.incoming())),
        start(&runtime, |listener| hang_up(listener.accept_stream())),
    ];
    let names = ["incoming", "accept_stream"];
    machine::stay_on(&[client_side]);
    for (burst, connections) in [(1, 2000), (16, 4096), (128, 4096)] {
        let title = format!("accept, connections at a time: {burst}");
        if !run.selects(&title) {
            continue;
        }
        let connections = run.pick(connections, 256);
        let rounds = run.alternate(11, servers.len(), |server| {
            let Server { address, clock } = servers[server];
            let before = machine::read(clock);
            let each = put_on(address, connections, burst);
            (each, (machine::read(clock) - before) as f64 / connections as f64)
        });
        let column = |pick: fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
            rounds.iter().map(|rounds| rounds.iter().map(pick).collect()).collect()
        };
        common::show(&format!("{title}, time"), "ns each", &names, &column(|round| round.0));
        common::show(&format!("{title}, processor time of the server"), "ns each", &names, &column(|round| round.1));
    }
    machine::stay_on(&all);
    show_shares(&run);
}
