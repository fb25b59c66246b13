//! Clients that lose their server and find it again.
//!
//! Each client keeps one connection busy. When it is lost, it connects anew until it is served again. The events tell
//! whoever controls the server when to act:
//!
//! ```text
//! "healthy" 0 ──(the server is killed)──► "lost" 0 ──(it is started again)──► "healthy" 1 ──► ...
//! ```
//!
//! each printed when it is true of all clients. After the last "healthy" the connections end in order.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::report::{self, Report};
use crate::{Common, progress};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Between two attempts to connect, and between two rounds on a connection.
const PAUSE: Duration = Duration::from_millis(10);

/// What a client has to tell.
enum News {
    Healthy(usize),
    Lost(usize),
}

/// What a client did.
#[derive(Default)]
struct Counts {
    attempts: u64,
    rounds: u64,
    losses: u64,
}

/// Runs the clients through `outages` outages.
pub(crate) async fn run(common: &Common, outages: usize, report: &mut Report) {
    let common = Arc::new(common.clone());
    let (tell, mut news) = unbounded_channel();
    let mut clients = JoinSet::new();
    for index in 0..common.connections {
        let (common, tell) = (common.clone(), tell.clone());
        clients.spawn(async move { (index, client(&common, index, outages, &tell).await) });
    }
    drop(tell);

    let mut healthy = vec![0; outages + 1];
    let mut lost = vec![0; outages];
    progress::stage("clients that are served", common.connections);
    // It ends when the last client has ended, also if some failed.
    while let Some(news) = news.recv().await {
        progress::advance();
        let (name, number, count) = match news {
            News::Healthy(outage) => ("healthy", outage, &mut healthy[outage]),
            News::Lost(outage) => ("lost", outage, &mut lost[outage]),
        };
        *count += 1;
        if *count == common.connections {
            report::event(name, number);
            let awaited = if name == "healthy" { "clients that lose the server" } else { "clients that are served" };
            progress::stage(awaited, common.connections);
        }
    }
    while let Some(joined) = clients.join_next().await {
        let (index, outcome) = match joined {
            Ok(outcome) => outcome,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        match outcome {
            Ok(counts) => {
                report.count("recovered", 1);
                report.count("attempts", counts.attempts);
                report.count("rounds", counts.rounds);
                report.count("losses", counts.losses);
            }
            Err(failure) => report.fail(format!("client {index}"), &failure),
        }
    }
}

/// One client's life. Only a wrong answer is a failure; whatever else happens to a connection is a loss.
async fn client(
    common: &Common,
    index: usize,
    outages: usize,
    tell: &UnboundedSender<News>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    for outage in 0..=outages {
        let mut connection = loop {
            counts.attempts += 1;
            match connect(common, index).await {
                Ok(connection) => break connection,
                Err(failure) if failure.is_loss() => tokio::time::sleep(PAUSE).await,
                Err(failure) => return Err(failure),
            }
        };
        // The receiver lives as long as the clients.
        let _ = tell.send(News::Healthy(outage));
        if outage == outages {
            connection.shut_down().await?;
            connection.receive_to_end().await?;
            break;
        }
        loop {
            let until = connection.sent + common.bytes.max(1);
            match connection.exchange(until).await {
                Ok(()) => counts.rounds += 1,
                Err(failure) if failure.is_loss() => break,
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(PAUSE).await;
        }
        counts.losses += 1;
        let _ = tell.send(News::Lost(outage));
    }
    Ok(counts)
}

/// Connects and has a first round echoed.
async fn connect(common: &Common, index: usize) -> Result<Connection, Failure> {
    let mut connection = Connection::open(common, index, true).await?;
    connection.exchange(common.bytes.max(1)).await?;
    Ok(connection)
}
