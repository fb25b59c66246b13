//! The peer is a measuring instrument: it passes an honest echo server, and finds each kind of dishonest one.

use fiber_tests::peer::Peer;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Starts a server of plain threads that treats each connection with `serve`, for the rest of the process.
fn server(serve: impl Fn(usize, TcpStream) -> io::Result<()> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            thread::spawn(move || serve(number, stream));
        }
    });
    address
}

/// Echoes what `change` makes of each piece, given how many bytes came before it; then ends.
fn echo(mut stream: TcpStream, mut change: impl FnMut(u64, &mut Vec<u8>)) -> io::Result<TcpStream> {
    let mut offset = 0;
    loop {
        let mut piece = vec![0; 4096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(stream);
        }
        piece.truncate(count);
        change(offset, &mut piece);
        offset += count as u64;
        stream.write_all(&piece)?;
    }
}

fn honest() -> SocketAddr {
    server(|_, stream| echo(stream, |_, _| ()).map(drop))
}

fn peer(mode: &str, address: SocketAddr, arguments: &str) -> Peer {
    Peer::start(env!("CARGO_BIN_EXE_peer"), mode, address, arguments)
}

/// Runs the peer, which has to complain with `words`, and returns its report.
#[track_caller]
fn detects(words: &str, mode: &str, address: SocketAddr, arguments: &str) -> Value {
    let (report, outcome) = peer(mode, address, arguments).outcome();
    assert_eq!(outcome.status.code(), Some(1), "{report:#}\n{}", outcome.complaints);
    let told = report["failures"].to_string();
    assert!(told.contains(words), "wanted {words:?} in {report:#}");
    report
}

#[test]
fn passes_an_honest_server() {
    let report = peer("flood", honest(), "--connections 200 --bytes 20000").succeed();
    assert_eq!(report["open_at_once"], 200);
    assert_eq!(report["echoed"], 200);
    assert_eq!(report["bytes_sent"], 4_000_000);
    assert_eq!(report["bytes_verified"], 4_000_000);
}

#[test]
fn passes_an_honest_server_in_every_mode() {
    let report = peer("half-close", honest(), "--connections 30 --bytes 100000").succeed();
    assert_eq!(report["half_closed_before_reading"], 10);
    assert_eq!(report["half_closed_while_reading"], 10);
    assert_eq!(report["half_closed_empty"], 10);
    assert_eq!(report["bytes_sent"], report["bytes_verified"]);
    let report = peer("reset", honest(), "--connections 40 --rounds 2").succeed();
    for kind in ["reset_at_once", "reset_unread", "reset_idle", "reset_stuck"] {
        assert_eq!(report[kind], 20, "{kind}");
    }
    let report = peer("stall", honest(), "--connections 16").succeed();
    for kind in ["deaf_then_read", "deaf_then_left", "silent_then_spoke", "silent_then_left"] {
        assert_eq!(report[kind], 4, "{kind}");
    }
    let report = peer("mixed", honest(), "--connections 150 --bytes 20000").succeed();
    assert_eq!(report["echoed"], 40);
    assert!(report["reset_stuck"].as_u64() > Some(0) && report["silent_then_spoke"].as_u64() > Some(0));
}

#[test]
fn finds_a_changed_byte() {
    let address = server(|number, stream| {
        let change = |offset: u64, piece: &mut Vec<u8>| {
            let place = 5000u64.wrapping_sub(offset) as usize;
            if number == 17 && place < piece.len() {
                piece[place] ^= 0x10;
            }
        };
        echo(stream, change).map(drop)
    });
    let report = detects("byte 5000 came back as", "flood", address, "--connections 20 --bytes 20000");
    assert_eq!(report["failed"], 1, "the others are fine");
    assert_eq!(report["echoed"], 19);
}

#[test]
fn finds_a_lost_and_a_repeated_byte() {
    let lost = server(|_, stream| {
        echo(stream, |offset, piece| {
            if offset > 1000 {
                piece.remove(piece.len() / 2);
            }
        })
        .map(drop)
    });
    detects("came back as", "flood", lost, "--connections 3 --bytes 20000");
    let repeated = server(|_, stream| {
        echo(stream, |offset, piece| {
            if offset > 1000 {
                piece.insert(piece.len() / 2, piece[piece.len() / 2]);
            }
        })
        .map(drop)
    });
    detects("came back as", "flood", repeated, "--connections 3 --bytes 20000");
}

#[test]
fn finds_bytes_of_another_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        loop {
            let (one, other) = (listener.accept().unwrap().0, listener.accept().unwrap().0);
            for (mut from, mut to) in
                [(one.try_clone().unwrap(), other.try_clone().unwrap()), (other.try_clone().unwrap(), one)]
            {
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    detects("byte 0 came back as", "flood", address, "--connections 4");
}

#[test]
fn finds_a_byte_too_many() {
    let address = server(|_, stream| echo(stream, |_, _| ())?.write_all(b"!"));
    detects("sent more than", "flood", address, "--connections 3");
}

#[test]
fn finds_an_early_end() {
    let address = server(|number, mut stream| {
        for size in [16, 1] {
            let mut some = vec![0; size];
            stream.read_exact(&mut some)?;
            stream.write_all(&some)?;
        }
        // In order for one, with a reset (there are unread bytes) for the other.
        if number == 0 {
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream, &mut io::sink())?;
        }
        Ok(())
    });
    let report = detects("still owes", "flood", address, "--connections 2 --bytes 500000");
    assert_eq!(report["failed"], 2);
}

#[test]
fn finds_a_server_that_takes_a_half_close_for_the_end() {
    let address = server(|_, mut stream| {
        let mut greeting = [0; 16];
        stream.read_exact(&mut greeting)?;
        stream.write_all(&greeting)?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    detects("still owes", "half-close", address, "--connections 3");
}

#[test]
fn finds_a_server_that_hoards() {
    let address = server(|_, mut stream| {
        let mut greeting = [0; 16];
        stream.read_exact(&mut greeting)?;
        stream.write_all(&greeting)?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    detects("nobody reads its answers", "stall", address, "--connections 1 --chunk 65536");
}

/// A server that does nothing is not waited for without end, and the peer says what it waited for.
#[test]
fn gives_up_on_a_server_that_hangs() {
    let no_end = || {
        server(|_, stream| {
            // What would end the connection is to drop it.
            let _kept = echo(stream, |_, _| ())?;
            loop {
                thread::park();
            }
        })
    };
    gives_up_waiting_for("connections that end: 0 of 3", no_end);

    let no_answer = || {
        server(|number, stream| {
            if number < 2 {
                return echo(stream, |_, _| ()).map(drop);
            }
            loop {
                thread::park();
            }
        })
    };
    gives_up_waiting_for("connections that open: 2 of 3", no_answer);
}

/// On a busy machine it may not get as far as to that in two seconds. Then it gets more.
#[track_caller]
fn gives_up_waiting_for(words: &str, server: impl Fn() -> SocketAddr) {
    let mut said = String::new();
    for limit in [2, 8, 32] {
        let (_, outcome) = peer("flood", server(), &format!("--connections 3 --limit {limit}")).outcome();
        assert_eq!(outcome.status.code(), Some(2), "{}", outcome.complaints);
        said = outcome.complaints;
        if said.contains(words) {
            return;
        }
    }
    panic!("wanted {words:?} in {said:?}");
}

#[test]
fn says_when_nobody_listens() {
    // Where the listeners of other tests are not, one of which could get the port that this one gives up.
    let address = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    detects("connecting: Connection refused", "flood", address, "--connections 2");
}
