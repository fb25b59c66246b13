//! A crowd of connections, stage by stage.

use crate::behaviour::{self, Behaviour, Family};
use crate::failure::Failure;
use crate::report::{self, Report};
use crate::{Common, Stage, progress};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A connection that is still in the game.
struct Player {
    index: usize,
    behaviour: Behaviour,
    /// `None` once it is closed.
    connection: Option<crate::connection::Connection>,
}

/// Runs the rounds that the arguments ask for, in each of which the families have their shares of the connections.
pub(crate) async fn all(common: &Common, mix: &[(Family, usize)], report: &mut Report) {
    for round in 0..common.rounds {
        one(common, mix, round, report).await;
    }
}

async fn one(common: &Common, mix: &[(Family, usize)], round: usize, report: &mut Report) {
    let first = round * common.connections;
    let players = (first..first + common.connections).map(|index| Player {
        index,
        behaviour: behaviour::choose(mix, index),
        connection: None,
    });

    let arguments = common.clone();
    let players = stage("connections that open", players.collect(), common.opening, report, move |mut player| {
        let arguments = arguments.clone();
        async move {
            let opened = player.behaviour.open(&arguments, player.index).await;
            result(player.index, player.behaviour, opened.map(|connection| player.connection = connection))?;
            Ok(player)
        }
    })
    .await;
    report::event("opened", players.len());
    report.count("open_at_once", players.iter().filter(|player| player.connection.is_some()).count() as u64);
    if common.pause.contains(&Stage::Opened) {
        report::pause().await;
    }

    let (bytes, everybody) = (common.bytes, common.connections.max(1));
    let players = stage("connections that act", players, everybody, report, move |mut player| async move {
        if let Some(connection) = &mut player.connection {
            let acted = player.behaviour.act(connection, bytes).await;
            result(player.index, player.behaviour, acted)?;
        }
        Ok(player)
    })
    .await;
    report::event("acted", players.len());
    if common.pause.contains(&Stage::Acted) {
        report::pause().await;
    }

    let counts = stage("connections that end", players, everybody, report, move |player| async move {
        let ended = match player.connection {
            Some(connection) => player.behaviour.end(connection, bytes).await,
            None => Ok((0, 0)),
        };
        let ended = result(player.index, player.behaviour, ended)?;
        Ok((player.behaviour, ended))
    })
    .await;
    for (behaviour, (sent, received)) in counts {
        report.count(behaviour.name(), 1);
        report.count("bytes_sent", sent);
        report.count("bytes_verified", received);
    }
}

/// Who failed, and how.
type Failed = (String, Failure);

fn result<T>(index: usize, behaviour: Behaviour, result: Result<T, Failure>) -> Result<T, Failed> {
    result.map_err(|failure| (format!("connection {index} ({behaviour:?})"), failure))
}

/// Does one thing with each of `items`, `at_once` of them at once, and waits for all. Returns those that went well.
async fn stage<T, U, F>(
    name: &'static str,
    items: Vec<T>,
    at_once: usize,
    report: &mut Report,
    work: impl Fn(T) -> F,
) -> Vec<U>
where
    F: Future<Output = Result<U, Failed>> + Send + 'static,
    U: Send + 'static,
{
    progress::stage(name, items.len());
    let permits = Arc::new(Semaphore::new(at_once.max(1)));
    let mut tasks = JoinSet::new();
    for item in items {
        let permits = permits.clone();
        let work = work(item);
        tasks.spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            let result = work.await;
            progress::advance();
            result
        });
    }
    let mut done = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(Ok(item)) => done.push(item),
            Ok(Err((who, failure))) => report.fail(who, &failure),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
    done
}
