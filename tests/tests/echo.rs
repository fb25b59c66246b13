//! The echo server as a process, and clients that do everything a client may do to it.
//!
//! The clients are the `peer` binary, which has nothing of fiber in it and compares every byte. The server is watched
//! from outside: descriptors and resident memory as `/proc` tells them. Each test has a server of its own.

use fiber_tests::limits;
use fiber_tests::peer::Peer;
use fiber_tests::server::Server;
use fiber_tests::skip::skip;
use fiber_tests::usage::Usage;
use serde_json::Value;

/// Descriptors that the server may hold besides those it began with, once all clients are gone: what workers open at first
/// use. A leak of one connection in a hundred is more than that in every test here that counts.
const DESCRIPTORS_BESIDES: usize = 4;

/// Resident KiB that the server may keep, once all clients are gone, beyond what it began with: pools and arenas
/// that do not depend on how many connections there were.
const RESIDENT_BESIDES: u64 = 16 * 1024;

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_echo_server"), "127.0.0.1:0", &[])
}

fn peer(mode: &str, server: &Server, arguments: &str) -> Peer {
    Peer::start(env!("CARGO_BIN_EXE_peer"), mode, server.address(), arguments)
}

/// How many connections a test gets of those that it wants; the server and the peer have the same limits as this process.
fn affordable(wanted: usize) -> usize {
    let allowed = limits::connections(wanted).expect("the limit of open files can be read");
    if allowed < wanted {
        skip(&format!("{wanted} connections: the hard limit of open files allows {allowed}, which is what is tested"));
    }
    allowed
}

/// Waits until all connections of the server are closed.
fn descriptors_back(server: &mut Server, before: &Usage) -> Usage {
    let most = before.descriptors + DESCRIPTORS_BESIDES;
    server.usage_until(&format!("the server to close its connections, to {most} descriptors or fewer"), |usage| {
        usage.descriptors <= most
    })
}

/// Waits until the server has closed its connections and given back the memory that they needed.
fn everything_back(server: &mut Server, before: &Usage) -> Usage {
    descriptors_back(server, before);
    let most = before.resident + RESIDENT_BESIDES;
    server
        .usage_until(&format!("the server to give memory back, to {most} KiB or less"), |usage| usage.resident <= most)
}

/// The server still does what it is there for.
fn still_serves(server: &Server) {
    let report = peer("flood", server, "--connections 20 --bytes 10000 --seed 99").succeed();
    assert_eq!(report["bytes_verified"], 200_000);
}

#[track_caller]
fn all_came_back(report: &Value, connections: usize, bytes: u64) {
    assert_eq!(report["echoed"], connections);
    assert_eq!(report["bytes_sent"], connections as u64 * bytes);
    assert_eq!(report["bytes_verified"], connections as u64 * bytes);
}

/// Twice, because the second time shows whether what the first time kept was a pool or a leak.
#[test]
fn ten_thousand_connections_at_once() {
    let connections = affordable(10_000);
    let mut server = server();
    let before = server.usage();
    println!("at the start: {before}");
    let mut kept = Vec::new();
    for seed in 1..=2 {
        let arguments = format!("--connections {connections} --bytes 4096 --seed {seed} --pause opened --pause acted");
        let mut peer = peer("flood", &server, &arguments);
        assert_eq!(peer.event("opened"), connections as u64);
        // Every connection has had its greeting echoed and none is closed: the server holds them all now.
        let opened = server.usage();
        assert!(opened.descriptors >= connections, "{opened} for {connections} connections");
        peer.go_on();
        assert_eq!(peer.event("acted"), connections as u64);
        let acted = server.usage();
        assert!(acted.descriptors >= connections, "{acted} for {connections} connections");
        let each = acted.resident.saturating_sub(before.resident) * 1024 / connections.max(1) as u64;
        println!("all open: {opened}; all echoed: {acted}; {each} bytes resident for each");
        peer.go_on();
        let report = peer.succeed();
        assert_eq!(report["open_at_once"], connections);
        all_came_back(&report, connections, 4096);
        let after = everything_back(&mut server, &before);
        println!("all gone: {after}; the peer took {} s", report["seconds"]);
        kept.push(after);
    }
    still_serves(&server);
}

/// More than any buffer holds, so that both sides wait for each other all the time.
#[test]
fn megabytes_through_few_connections() {
    let mut server = server();
    let before = server.usage();
    let report = peer("flood", &server, "--connections 8 --bytes 8000000 --chunk 65536").succeed();
    all_came_back(&report, 8, 8_000_000);
    everything_back(&mut server, &before);
}

/// Everything is sent a few bytes at a time.
#[test]
fn small_pieces() {
    let mut server = server();
    let before = server.usage();
    let report = peer("flood", &server, "--connections 200 --bytes 3000 --chunk 7").succeed();
    all_came_back(&report, 200, 3000);
    descriptors_back(&mut server, &before);
}

/// One worker has to do it all, or four have to share two processors.
#[test]
fn any_number_of_workers() {
    for workers in ["1", "4"] {
        let program = env!("CARGO_BIN_EXE_echo_server");
        let mut server = Server::start(program, "127.0.0.1:0", &[("FIBER_WORKERS", workers)]);
        let before = server.usage();
        let report = peer("flood", &server, "--connections 500 --bytes 20000").succeed();
        all_came_back(&report, 500, 20_000);
        descriptors_back(&mut server, &before);
    }
}

/// Clients that do not send and clients that do not read wait for nobody but themselves.
#[test]
fn stalled_clients_hold_up_nobody() {
    let mut server = server();
    let before = server.usage();
    let mut stalled = peer("stall", &server, "--connections 400 --pause acted");
    assert_eq!(stalled.event("opened"), 400);
    assert_eq!(stalled.event("acted"), 400);
    let report = peer("flood", &server, "--connections 300 --bytes 20000").succeed();
    all_came_back(&report, 300, 20_000);
    stalled.go_on();
    let report = stalled.succeed();
    for kind in ["deaf_then_read", "deaf_then_left", "silent_then_spoke", "silent_then_left"] {
        assert_eq!(report[kind], 100, "{kind}");
    }
    everything_back(&mut server, &before);
    still_serves(&server);
}

#[test]
fn resets_in_every_state() {
    let mut server = server();
    let before = server.usage();
    let report = peer("reset", &server, "--connections 400 --rounds 3").succeed();
    for kind in ["reset_at_once", "reset_unread", "reset_idle", "reset_stuck"] {
        assert_eq!(report[kind], 300, "{kind}");
    }
    everything_back(&mut server, &before);
    still_serves(&server);
}

#[test]
fn half_closed_clients_get_everything() {
    let mut server = server();
    let before = server.usage();
    let report = peer("half-close", &server, "--connections 300 --bytes 200000").succeed();
    for kind in ["half_closed_before_reading", "half_closed_while_reading", "half_closed_empty"] {
        assert_eq!(report[kind], 100, "{kind}");
    }
    assert_eq!(report["bytes_sent"], report["bytes_verified"]);
    assert_eq!(report["bytes_sent"], 100 * 200_000 + 100 * 32 * 1024);
    everything_back(&mut server, &before);
}

#[test]
fn every_kind_of_client_side_by_side() {
    let mut server = server();
    let before = server.usage();
    let mix = "flood=8,half-close=3,reset=4,stall=4";
    let report = peer("mixed", &server, &format!("--connections 1900 --bytes 10000 --mix {mix}")).succeed();
    assert_eq!(report["echoed"], 800);
    everything_back(&mut server, &before);
    still_serves(&server);
}

/// Clients one after the other rather than at once: 6,000 in 30 waves.
#[test]
fn clients_come_and_go() {
    let mut server = server();
    let before = server.usage();
    let report = peer("flood", &server, "--connections 200 --bytes 500 --rounds 30").succeed();
    all_came_back(&report, 6000, 500);
    everything_back(&mut server, &before);
}

/// `SIGKILL` in the middle of everything; the next server gets the same address although the old connections linger.
#[test]
fn clients_find_a_restarted_server() {
    // Below the range from which the kernel takes ports for clients, one of which could otherwise sit on it.
    let (program, own) = (env!("CARGO_BIN_EXE_echo_server"), std::process::id());
    let address = format!("127.0.0.1:{}", 20_000 + own % 10_000);
    let mut server = Server::start(program, &address, &[]);
    let mut clients = peer("reconnect", &server, "--connections 100 --bytes 2000 --outages 3");
    assert_eq!(clients.event("healthy"), 0);
    for outage in 0..3 {
        server.kill();
        assert_eq!(clients.event("lost"), outage);
        server = Server::start(program, &address, &[]);
        assert_eq!(clients.event("healthy"), outage + 1);
    }
    let report = clients.succeed();
    assert_eq!(report["recovered"], 100);
    assert_eq!(report["losses"], 300);
    still_serves(&server);
}
