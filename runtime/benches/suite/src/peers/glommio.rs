//! glommio: one thread around three rings.

use super::block;
use super::tasks::{converse, mutex, random_reads, tasks};
use crate::protocol::Protocol;
use ::glommio::channels::local_channel::new_bounded;
use ::glommio::io::{BufferedFile, DmaFile, ReadResult};
use ::glommio::net::{TcpListener, TcpStream};
use ::glommio::sync::RwLock;
use ::glommio::{LocalExecutorBuilder, spawn_local};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;
use std::rc::Rc;

async fn sleep(time: Duration) {
    ::glommio::timer::sleep(time).await;
}

tasks!([], spawn: spawn_local, sleep: sleep, channel: new_bounded);
mutex!(spawn_local, new: RwLock::new(0), lock: |mutex| mutex.write().await.expect("nobody closes it"));

/// As it is read past the page cache and through it.
#[derive(Clone)]
enum File {
    Direct(Rc<DmaFile>),
    Buffered(Rc<BufferedFile>),
}

impl File {
    async fn read(&self, offset: u64) -> ::glommio::Result<ReadResult, ()> {
        match self {
            File::Direct(file) => file.read_at_aligned(offset, block::SIZE).await,
            File::Buffered(file) => file.read_at(offset, block::SIZE).await,
        }
    }
}

random_reads!(
    spawn_local,
    open: |path, direct| if direct {
        File::Direct(Rc::new(DmaFile::open(path).await.map_err(|error| error.to_string())?))
    } else {
        File::Buffered(Rc::new(BufferedFile::open(path).await.map_err(|error| error.to_string())?))
    },
    block: (),
    read: |file, block, offset| {
        block = ();
        block::number(&file.read(offset).await.expect("it can be read"))
    }
);

pub(super) fn measure(bench: &Bench) -> Outcome {
    let start = || LocalExecutorBuilder::default().make().map_err(|error| error.to_string());
    if let Bench::Start { repeat } = *bench {
        return Ok(crate::report::starts(repeat, || {
            start().map(|executor| executor.run(async { spawn_local(async {}).await }))
        })?);
    }
    start()?.run(async {
        match *bench {
            Bench::Mutex { tasks, iters } => mutex(tasks, iters).await,
            Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?).await,
            Bench::HttpServer { port, .. } => serve(port, Protocol::Http).await,
            Bench::Fsread { .. } => random_reads(bench).await,
            _ => run(bench).await,
        }
    })
}

async fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    loop {
        let peer = listener.accept().await.map_err(|error| error.to_string())?;
        peer.set_nodelay(true).map_err(|error| error.to_string())?;
        spawn_local(converse(peer, protocol)).detach();
    }
}

converse!(TcpStream);
