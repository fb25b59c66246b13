//! monoio: one thread around io_uring.

use super::block::{Aligned, Block};
use super::tasks::{converse_owned, random_reads, tasks};
use crate::protocol::Protocol;
use ::monoio::buf::IoBufMut;
use ::monoio::fs::File;
use ::monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use ::monoio::net::{TcpListener, TcpStream};
use ::monoio::{IoUringDriver, RuntimeBuilder, spawn};
use std::io;
use std::rc::Rc;

use ::monoio::time::sleep;
use local_sync::mpsc::bounded::channel;

tasks!([], spawn: spawn, sleep: sleep, channel: channel);

random_reads!(
    spawn,
    open: |path, direct| Rc::new(File::from_std(super::block::open(path, direct)?)?),
    block: Block::new(),
    read: |file, block, offset| {
        let (read, back) = file.read_exact_at(block, offset).await;
        read.expect("it can be read");
        block = back;
        block.number()
    }
);

// SAFETY: the memory is on the heap, so it stays where it is while the block moves.
unsafe impl IoBufMut for Block {
    fn write_ptr(&mut self) -> *mut u8 {
        let Aligned(bytes) = &mut *self.0;
        bytes.as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        super::block::SIZE
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

pub(super) fn measure(bench: &Bench) -> Outcome {
    let start = || RuntimeBuilder::<IoUringDriver>::new().enable_timer().build();
    if let Bench::Start { repeat } = *bench {
        return Ok(crate::report::starts(repeat, || {
            start().map(|mut runtime| runtime.block_on(async { spawn(async {}).await }))
        })?);
    }
    start()?.block_on(async {
        match *bench {
            Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?).await,
            Bench::HttpServer { port, .. } => serve(port, Protocol::Http).await,
            Bench::Fsread { .. } => random_reads(bench).await,
            _ => run(bench).await,
        }
    })
}

async fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        spawn(converse(peer, protocol));
    }
}

converse_owned!(TcpStream, |result| result);
