//! hyper on fibers, both sides of it, and the traits of futures-io and tokio over our streams.

#[path = "http/server.rs"]
mod server;

use fiber::block_on;
use fiber::future::{Async, FiberExecutor};
use fiber::net::{TcpStream, UnixStream};
use fiber::process::{Command, Stdio};
use fiber::runtime::Builder;
use fiber_tests::skip;
use futures_lite::AsyncWriteExt as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::Executor;
use hyper::{Request, StatusCode};
use server::Server;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

const LONG: Duration = Duration::from_secs(600);

fn on_fibers<T: Send>(workers: usize, body: impl FnOnce() -> T + Send) -> T {
    Builder::new().workers(workers).build().unwrap().run(body)
}

/// Bytes that are not all the same.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

async fn connect(server: &Server, executor: &impl Executor<Driven>) -> SendRequest<Full<Bytes>> {
    let stream = Async::new(TcpStream::connect(server.address()).unwrap());
    let (sender, connection) = handshake(stream).await.unwrap();
    executor.execute(Box::pin(async { connection.await.unwrap() }));
    sender
}

/// What drives a client's connection.
type Driven = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn ask(client: &mut SendRequest<Full<Bytes>>, path: &str, body: Option<Vec<u8>>) -> (StatusCode, Bytes) {
    client.ready().await.unwrap();
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = Request::builder().method(method).uri(path).header("host", "here");
    let response = client.send_request(request.body(Full::from(body.unwrap_or_default())).unwrap()).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

#[test]
fn hyper_talks_to_hyper() {
    on_fibers(2, || {
        let server = Server::start(LONG);
        fiber::scope(|s| {
            for client in 0..50 {
                let server = &server;
                s.spawn(move || {
                    block_on(async {
                        let mut connection = connect(server, &FiberExecutor).await;
                        for round in 0..5 {
                            let (status, body) = ask(&mut connection, "/hello", None).await;
                            assert_eq!((status, &body[..]), (StatusCode::OK, &b"hello from a fiber"[..]));
                            let sent = pattern(client * 1000 + round);
                            assert_eq!(ask(&mut connection, "/echo", Some(sent.clone())).await.1, sent);
                            assert_eq!(ask(&mut connection, "/late", None).await.1, &b"late"[..]);
                        }
                        assert_eq!(ask(&mut connection, "/elsewhere", None).await.0, StatusCode::NOT_FOUND);
                    });
                });
            }
        });
    });
}

/// Our streams and timers under somebody else's executor.
#[test]
fn a_client_under_tokio_talks_to_hyper_on_fibers() {
    struct OnTokio;
    impl Executor<Driven> for OnTokio {
        fn execute(&self, future: Driven) {
            tokio::spawn(future);
        }
    }
    on_fibers(1, || {
        let server = Server::start(LONG);
        fiber::blocking(|| {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let mut connection = connect(&server, &OnTokio).await;
                for len in [0, 1, 100_000] {
                    assert_eq!(ask(&mut connection, "/echo", Some(pattern(len))).await.1, pattern(len));
                    fiber::future::sleep(Duration::from_millis(2)).await;
                }
            });
        });
    });
}

#[test]
fn curl() {
    if !skip::has("curl", "--version") {
        return;
    }
    on_fibers(2, || {
        let server = Server::start(LONG);
        let curl = |arguments: &[&str], input: Vec<u8>| {
            let mut command = Command::new("curl");
            command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "60"]);
            let mut curl = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut stdin = curl.stdin.take().unwrap();
            fiber::spawn(move || stdin.write_all(&input));
            let output = curl.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        assert_eq!(curl(&[&server.url("/hello")], Vec::new()), b"hello from a fiber");
        for len in [10, 3_000_000] {
            let echoed = curl(&["--data-binary", "@-", "--header", "Expect:", &server.url("/echo")], pattern(len));
            assert!(echoed == pattern(len), "{} bytes of {len}", echoed.len());
        }
        // Two requests over one connection.
        let url = server.url("/late");
        let connects = curl(&["--write-out", " %{num_connects};", &url, &url], Vec::new());
        assert_eq!(String::from_utf8_lossy(&connects), "late 1;late 0;");
    });
}

/// The timer works: who says nothing is sent away.
#[test]
fn a_client_that_says_nothing_is_sent_away() {
    on_fibers(1, || {
        let server = Server::start(Duration::from_millis(20));
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let mut said = String::new();
        let ended = stream.write_all(b"GET /hello HTTP/1.1\r\nHo").and_then(|()| stream.read_to_string(&mut said));
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
        // If the time was over before the server had read that little, the kernel says so to whoever sent it.
        let is_end = |error: ErrorKind| matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        assert!(ended.as_ref().map_or_else(|error| is_end(error.kind()), |_| true), "{ended:?}");
    });
}

#[test]
fn traits_of_tokio() {
    on_fibers(1, || {
        let (near, far) = UnixStream::pair().unwrap();
        let answering = fiber::spawn(move || {
            let (reader, mut writer) = tokio::io::split(Async::new(far));
            block_on(async {
                let mut lines = tokio::io::BufReader::new(reader).lines();
                while let Some(line) = lines.next_line().await.unwrap() {
                    let parts = [IoSlice::new(b"<"), IoSlice::new(line.as_bytes()), IoSlice::new(b">")];
                    assert!(writer.is_write_vectored());
                    assert_eq!(writer.write_vectored(&parts).await.unwrap(), line.len() + 2);
                }
                writer.shutdown().await.unwrap();
            });
        });
        let mut near = Async::new(near);
        let mut answers = String::new();
        block_on(async {
            tokio::io::AsyncWriteExt::write_all(&mut near, b"one\ntwo\nthree").await.unwrap();
            near.shutdown().await.unwrap();
            tokio::io::AsyncReadExt::read_to_string(&mut near, &mut answers).await.unwrap();
        });
        assert_eq!(answers, "<one><two><three>");
        answering.join().unwrap();
    });
}

#[test]
fn traits_of_futures_io() {
    on_fibers(1, || {
        let (near, far) = UnixStream::pair().unwrap();
        let echo = fiber::spawn(move || {
            let (reader, writer) = futures_lite::io::split(Async::new(far));
            block_on(async {
                let mut writer = writer;
                let copied = futures_lite::io::copy(reader, &mut writer).await.unwrap();
                writer.close().await.unwrap();
                copied
            })
        });
        let (mut reader, mut writer) = futures_lite::io::split(Async::new(near));
        let sent = pattern(2_000_000);
        let received = block_on(async {
            let mut received = Vec::new();
            let send = async {
                futures_lite::AsyncWriteExt::write_all(&mut writer, &sent).await.unwrap();
                writer.close().await.unwrap();
            };
            futures_lite::future::zip(send, futures_lite::AsyncReadExt::read_to_end(&mut reader, &mut received))
                .await
                .1
                .unwrap();
            received
        });
        assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
        assert_eq!(echo.join().unwrap(), 2_000_000);
    });
}
