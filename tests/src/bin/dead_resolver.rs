//! A program whose machine has a name server that never answers: it asks for a name under a time limit, and goes on.
//!
//! To be run where `/etc/resolv.conf` names 127.0.0.1 and nobody else has its port 53: in namespaces of its own.

use fiber::net::{TcpStream, ToSocketAddrs};
use fiber::time::{sleep, timeout};
use std::io::{self, ErrorKind, Write};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

static QUESTIONS: AtomicU32 = AtomicU32::new(0);
static TICKS: AtomicU32 = AtomicU32::new(0);

/// A server that hears every question and answers none.
fn dead_server() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:53")?;
    thread::spawn(move || {
        while socket.recv_from(&mut [0; 512]).is_ok() {
            QUESTIONS.fetch_add(1, SeqCst);
        }
    });
    Ok(())
}

fn main() {
    if let Err(error) = dead_server() {
        println!("skipped: no name server of one's own: {error}");
        return;
    }
    fiber::runtime::Builder::new().workers(1).build().unwrap().run(|| {
        let sibling = fiber::spawn(|| {
            loop {
                sleep(Duration::from_millis(1));
                TICKS.fetch_add(1, SeqCst);
            }
        });
        // The limit passes when the question has certainly been asked.
        let limited = |ask: fn() -> io::Result<()>| {
            let (questions, ticks) = (QUESTIONS.load(SeqCst), TICKS.load(SeqCst));
            let mut patience = Duration::from_millis(100);
            loop {
                let error = timeout(patience, ask).expect("the look-up gives an error").unwrap_err();
                assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::TimedOut, None), "{error:?}");
                if QUESTIONS.load(SeqCst) > questions && TICKS.load(SeqCst) > ticks {
                    return;
                }
                patience *= 2;
            }
        };
        limited(|| "name.on.a.dead.server.example:80".to_socket_addrs().map(drop));
        limited(|| TcpStream::connect("other.name.on.a.dead.server.example:80").map(drop));
        // What needs no server is looked up beside those that still wait for theirs.
        assert!(("localhost", 80).to_socket_addrs().unwrap().all(|address| address.ip().is_loopback()));
        sibling.cancel();
        assert!(sibling.join().unwrap_err().is_cancelled());
    });
    println!("done");
    let _ = io::stdout().flush();
}
