//! An async HTTP client, awaited from fibers; and an async HTTP server, on fibers.
//!
//! ```sh
//! cargo run --features bridge --bin bridge
//! ```
//!
//! The client is `reqwest`, which needs Tokio: `fiber::bridge::Tokio` keeps a runtime of Tokio's beside ours, and each fiber awaits its
//! requests by `block_on`, which suspends that fiber only. The server is `hyper`, which wants a connection, a timer and an executor: they are
//! ours, and no Tokio is on that side. Then one request is given up by a time limit, and one because its fiber is cancelled; the server
//! notices both.

use clap::Parser;
use fiber::bridge::Tokio;
use fiber::future::{Async, FiberTimer, sleep};
use fiber::net::{SocketAddr, TcpListener, TcpStream};
use fiber::sync::Notify;
use fiber::time::{Duration, Instant, timeout};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use reqwest::Client;
use std::convert::Infallible;
use std::error::Error;

/// Awaits an async HTTP client from fibers.
#[derive(Parser)]
struct Arguments {
    /// Fibers that ask
    #[arg(long, default_value_t = 100)]
    clients: u64,

    /// Questions that each of them asks
    #[arg(long, default_value_t = 50)]
    questions: u64,
}

/// When somebody asks what has no answer, and when somebody has stopped waiting for one.
static ASKED: Notify = Notify::new();
static GIVEN_UP: Notify = Notify::new();

/// The service: `/square/12` is 144, and `/never` has no answer.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    if path == "/never" {
        /// hyper drops what it is doing for a client that has gone.
        struct GivenUp;
        impl Drop for GivenUp {
            fn drop(&mut self) {
                GIVEN_UP.notify_one();
            }
        }
        let _given_up = GivenUp;
        ASKED.notify_one();
        std::future::pending::<()>().await;
    }
    let number: u64 = path.trim_start_matches("/square/").parse().unwrap_or(0);
    if number.is_multiple_of(16) {
        // Some take longer. A timer of the fiber's worker.
        sleep(Duration::from_millis(2)).await;
    }
    Ok(Response::new(Full::from((number * number).to_string())))
}

/// One connection: a fiber on which hyper runs.
#[fiber::task]
fn serve(peer: TcpStream) {
    let connection = http1::Builder::new().timer(FiberTimer).serve_connection(Async::new(peer), service_fn(answer));
    // An error is a client that has gone in the middle.
    let _ = fiber::block_on(connection);
}

/// Starts the server.
fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    fiber::spawn(move || {
        for peer in listener.incoming().flatten() {
            serve::spawn(peer);
        }
    });
    Ok(address)
}

/// Asks for a square. Ordinary code on a fiber, with `?` and no `await` but in the two calls of the client's.
fn square(client: &Client, address: SocketAddr, number: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let url = format!("http://{address}/square/{number}");
    let text = Tokio::shared().block_on(async { client.get(url).send().await?.text().await })?;
    Ok(text.parse()?)
}

#[fiber::main]
fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let address = start()?;
    let client = Client::builder().no_proxy().build()?;

    let begin = Instant::now();
    let right = fiber::scope(|s| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| {
                let (client, questions) = (&client, arguments.questions);
                s.spawn(move || -> Result<u64, Box<dyn Error + Send + Sync>> {
                    let mut right = 0;
                    for question in number * questions..(number + 1) * questions {
                        right += u64::from(square(client, address, question)? == question * question);
                    }
                    Ok(right)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join()?).sum::<Result<u64, _>>()
    })?;
    println!(
        "{right} of {} answers right, asked by {} fibers in {:.0?}",
        arguments.clients * arguments.questions,
        arguments.clients,
        begin.elapsed()
    );

    let endless = || client.get(format!("http://{address}/never")).send();
    let late = timeout(Duration::from_millis(100), || Tokio::shared().block_on(endless()));
    println!(
        "without an answer within 100 ms: {}",
        late.err().map_or("that is a surprise".into(), |late| late.to_string())
    );
    ASKED.notified();
    GIVEN_UP.notified();

    let request = endless();
    let waiting = fiber::spawn(move || Tokio::shared().block_on(request).map(drop));
    ASKED.notified();
    waiting.cancel();
    println!("cancelled: {}", waiting.join().err().map_or("that is a surprise".into(), |error| error.to_string()));
    GIVEN_UP.notified();
    println!("the server has noticed both");
    Ok(())
}
