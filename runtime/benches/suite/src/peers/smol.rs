//! smol: one executor, run by as many threads.

use super::tasks::{converse, mutex, tasks};
use crate::protocol::Protocol;
use ::smol::io::{AsyncReadExt, AsyncWriteExt};
use ::smol::lock::Mutex;
use ::smol::net::{TcpListener, TcpStream};
use ::smol::{Executor, Timer};
use std::io;

static EXECUTOR: Executor<'static> = Executor::new();

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> + Send {
    EXECUTOR.spawn(future)
}

async fn sleep(time: Duration) {
    Timer::after(time).await;
}

tasks!([+ Send], spawn: spawn, sleep: sleep, channel: ::smol::channel::bounded);
mutex!(spawn, new: Mutex::new(0), lock: |mutex| mutex.lock().await);

pub(super) fn measure(bench: &Bench, workers: usize) -> Outcome {
    if let Bench::Start { .. } = bench {
        return Err(Refusal::NotExpressible.into());
    }
    for _ in 1..workers {
        std::thread::spawn(|| ::smol::block_on(EXECUTOR.run(std::future::pending::<()>())));
    }
    ::smol::block_on(EXECUTOR.run(spawn({
        let bench = bench.clone();
        async move {
            match bench {
                Bench::Mutex { tasks, iters } => mutex(tasks, iters).await,
                Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?).await,
                Bench::HttpServer { port, .. } => serve(port, Protocol::Http).await,
                _ => run(&bench).await,
            }
        }
    })))
}

async fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        EXECUTOR.spawn(converse(peer, protocol)).detach();
    }
}

converse!(TcpStream);
