//! An HTTP server for tests: hyper on fibers.
// Every test crate uses some of it.
#![allow(dead_code)]

use fiber::JoinHandle;
use fiber::future::{Async, FiberTimer, sleep};
use fiber::net::{SocketAddr, TcpListener, TcpStream};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A server, on fibers of the calling runtime, until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    endless: Arc<Endless>,
    accepting: JoinHandle<()>,
}

/// Counts the requests for `/never`.
#[derive(Default)]
struct Endless {
    begun: AtomicUsize,
    abandoned: AtomicUsize,
}

impl Endless {
    async fn wait(&self) -> ! {
        struct Abandoned<'a>(&'a AtomicUsize);
        impl Drop for Abandoned<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        self.begun.fetch_add(1, SeqCst);
        let _abandoned = Abandoned(&self.abandoned);
        std::future::pending().await
    }
}

impl Server {
    /// Listens. A client has so much time to say what it wants.
    pub(crate) fn start(header_time: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endless = Arc::new(Endless::default());
        let accepting = fiber::spawn({
            let endless = endless.clone();
            move || {
                while let Ok((peer, _)) = listener.accept() {
                    let endless = endless.clone();
                    fiber::spawn(move || serve(peer, header_time, &endless));
                }
            }
        });
        Server { address, endless, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests for `/never` there were.
    pub(crate) fn begun(&self) -> usize {
        self.endless.begun.load(SeqCst)
    }

    /// How many of them were dropped, because their clients had gone.
    pub(crate) fn abandoned(&self) -> usize {
        self.endless.abandoned.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.cancel();
    }
}

fn serve(peer: TcpStream, header_time: Duration, endless: &Endless) {
    let service = service_fn(|request| answer(request, endless));
    let connection = http1::Builder::new()
        .timer(FiberTimer)
        .header_read_timeout(header_time)
        .serve_connection(Async::new(peer), service);
    // Clients go as they please.
    let _ = fiber::block_on(connection);
}

async fn answer(request: Request<Incoming>, endless: &Endless) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/hello") => (StatusCode::OK, Bytes::from_static(b"hello from a fiber")),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => (StatusCode::OK, body.to_bytes()),
            Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
        },
        (&Method::GET, "/late") => {
            sleep(Duration::from_millis(5)).await;
            (StatusCode::OK, Bytes::from_static(b"late"))
        }
        (&Method::GET, "/never") => endless.wait().await,
        _ => (StatusCode::NOT_FOUND, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}
