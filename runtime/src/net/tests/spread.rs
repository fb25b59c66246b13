//! Listeners that share an address: each worker serves what the kernel gives to its own.

use super::outcome;
use crate::net::{SpreadListener, TcpListener, TcpStream};
use crate::on_fibers::until_waiting;
use crate::runtime::{Builder, Reason};
use crate::{CancelToken, JoinHandle, spawn};
use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};

const CLIENTS: usize = 64;

fn on_workers<T: Send>(workers: usize, f: impl FnOnce() -> T + Send) -> T {
    Builder::new().workers(workers).build().unwrap().run(f)
}

/// A server that runs until the token is cancelled.
fn serve(
    stop: &CancelToken,
    handler: impl Fn(TcpStream, SocketAddr) + Send + Sync + 'static,
) -> (SocketAddr, JoinHandle<io::Result<()>>) {
    let listener = SpreadListener::bind("127.0.0.1:0").unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), stop.clone());
    (address, spawn(move || listener.serve_until(&stop, handler)))
}

/// Of 64 connections, one worker out of three gets all with a probability of 3 to the power of -63.
#[test]
fn more_than_one_worker_serves_and_none_serves_for_another() {
    let workers = on_workers(3, || {
        let served: &'static Mutex<Vec<ThreadId>> = Box::leak(Box::default());
        let stop = CancelToken::new();
        let (address, server) = serve(&stop, |mut peer, _| {
            let worker = thread::current().id();
            let mut request = [0; 4];
            peer.read_exact(&mut request).unwrap();
            peer.write_all(&request).unwrap();
            assert_eq!(worker, thread::current().id());
            served.lock().unwrap().push(worker);
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    let request = (number as u32).to_ne_bytes();
                    stream.write_all(&request).unwrap();
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, request);
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        stop.cancel();
        server.join().unwrap().unwrap();
        served.lock().unwrap().clone()
    });
    assert_eq!(workers.len(), CLIENTS);
    let several: HashSet<_> = workers.into_iter().collect();
    assert!(several.len() > 1, "{several:?}");
}

/// Connections that are there when it is to stop are served to their end, although nobody had accepted them.
#[test]
fn stopping_loses_no_connection() {
    on_workers(2, || {
        for round in 0..10 {
            let stop = CancelToken::new();
            let (address, server) = serve(&stop, |mut peer, _| {
                let mut request = String::new();
                peer.read_to_string(&mut request).unwrap();
                peer.write_all(request.as_bytes()).unwrap();
            });
            if round % 2 == 0 {
                until_waiting(Reason::Accept);
            }
            // While this loop runs, the worker that it runs on accepts nothing.
            let clients: Vec<_> = (0..CLIENTS).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
            stop.cancel();
            let answers: Vec<_> = clients
                .into_iter()
                .map(|mut client| {
                    spawn(move || {
                        let mut client = TcpStream::from({
                            client.write_all(b"served").unwrap();
                            client.shutdown(std::net::Shutdown::Write).unwrap();
                            client
                        });
                        let mut answer = String::new();
                        client.read_to_string(&mut answer).map(|_| answer)
                    })
                })
                .collect();
            for answer in answers {
                assert_eq!(outcome(answer.join().unwrap()), Ok("served".to_owned()));
            }
            server.join().unwrap().unwrap();
            assert_eq!(std::net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn cancelling_the_caller_ends_the_connections_too() {
    on_workers(2, || {
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                ENDED.fetch_add(1, SeqCst);
            }
        }
        let (begun, beginnings) = crate::sync::mpsc::channel();
        let (address, server) = serve(&CancelToken::new(), move |mut peer, _| {
            let _ended = Ended;
            begun.send(()).unwrap();
            let _ = peer.read(&mut [0; 8]);
        });
        let clients: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
        clients.iter().for_each(|_| beginnings.recv().unwrap());
        server.cancel();
        assert!(server.join().unwrap_err().is_cancelled());
        assert_eq!(ENDED.load(SeqCst), clients.len());
        for mut client in clients {
            assert_eq!(outcome(client.read(&mut [0; 8])), Ok(0), "the server has closed it");
        }
    });
}

#[test]
fn a_panic_of_a_handler_ends_one_connection() {
    on_workers(2, || {
        let stop = CancelToken::new();
        let (address, server) = serve(&stop, |mut peer, _| {
            let mut request = [0];
            peer.read_exact(&mut request).unwrap();
            assert_ne!(request, [3], "the third client is unlucky");
            peer.write_all(&request).unwrap();
        });
        for number in 0..6 {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&[number]).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, if number == 3 { vec![] } else { vec![number] });
        }
        stop.cancel();
        let panic = server.join().unwrap_err().try_into_panic().unwrap();
        assert!(panic.downcast_ref::<String>().unwrap().contains("unlucky"));
    });
}

#[test]
fn an_address_is_shared_by_those_who_ask_for_it() {
    let one = TcpListener::bind_reuse_port("127.0.0.1:0").unwrap();
    let address = one.local_addr().unwrap();
    let two = TcpListener::bind_reuse_port(address).unwrap();
    assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    let exclusive = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpListener::bind_reuse_port(exclusive.local_addr().unwrap());
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop((one, two));
}

#[test]
fn serving_off_a_fiber_says_so() {
    let listener = SpreadListener::bind("127.0.0.1:0").unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| listener.serve(|_, _| ()))).unwrap_err();
    assert!(
        panic.downcast_ref::<String>().map_or("", |text| text).contains("fiber::spawn")
            || panic.downcast_ref::<&str>().is_some_and(|text| text.contains("fiber::spawn"))
    );
}
