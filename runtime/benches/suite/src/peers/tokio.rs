//! Tokio: the current-thread scheduler with one worker, the other with more.

use super::tasks::{converse, mutex, random_reads, tasks};
use crate::peers::block::{self, Block};
use crate::protocol::Protocol;
use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::runtime::{Builder, Runtime};
use ::tokio::sync::{Mutex, mpsc};
use ::tokio::time::sleep;
use std::io;
use std::os::unix::fs::FileExt;

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> + Send {
    let task = ::tokio::spawn(future);
    async { task.await.expect("no task panics") }
}

tasks!([+ Send], spawn: spawn, sleep: sleep, channel: mpsc::channel);
mutex!(spawn, new: Mutex::new(0), lock: |mutex| mutex.lock().await);

random_reads!(
    spawn,
    open: |path, direct| Arc::new(block::open(path, direct)?),
    block: Block::new(),
    read: |file, block, offset| {
        let file = Arc::clone(&file);
        let read = move || file.read_exact_at(&mut block.0.0, offset).map(|()| block);
        block = ::tokio::task::spawn_blocking(read).await.expect("no read panics").expect("it can be read");
        block.number()
    }
);

fn start(workers: usize) -> io::Result<Runtime> {
    match workers {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
}

pub(super) fn measure(bench: &Bench, workers: usize) -> Outcome {
    if let Bench::Start { repeat } = *bench {
        return Ok(crate::report::starts(repeat, || {
            start(workers).map(|runtime| runtime.block_on(async { spawn(async {}).await }))
        })?);
    }
    let bench = bench.clone();
    let measured = async move {
        match bench {
            Bench::Mutex { tasks, iters } => mutex(tasks, iters).await,
            Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?).await,
            Bench::HttpServer { port, .. } => serve(port, Protocol::Http).await,
            Bench::Fsread { .. } => random_reads(&bench).await,
            _ => run(&bench).await,
        }
    };
    start(workers)?.block_on(async { spawn(measured).await })
}

async fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        ::tokio::spawn(converse(peer, protocol));
    }
}

converse!(TcpStream);
