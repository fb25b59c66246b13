//! compio: one thread around io_uring.

use super::block::{Aligned, Block};
use super::tasks::{converse_owned, random_reads, tasks};
use crate::protocol::Protocol;
use ::compio::BufResult;
use ::compio::buf::{IoBuf, IoBufMut, SetLen};
use ::compio::fs::{File, OpenOptions};
use ::compio::io::{AsyncRead, AsyncReadAt, AsyncWriteExt};
use ::compio::net::{TcpListener, TcpStream};
use ::compio::runtime::Runtime;
use ::compio::time::sleep;
use async_channel::bounded;
use std::io;
use std::mem::MaybeUninit;

fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
    let task = ::compio::runtime::spawn(future);
    async { task.await.expect("no task panics") }
}

tasks!([], spawn: spawn, sleep: sleep, channel: bounded);

random_reads!(
    spawn,
    open: |path, direct| open(path, direct).await?,
    block: Block::new(),
    read: |file, block, offset| {
        let BufResult(read, back) = file.read_at(block, offset).await;
        assert_eq!(read.expect("it can be read"), super::block::SIZE);
        block = back;
        block.number()
    }
);

async fn open(path: &std::path::Path, direct: bool) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(if direct { libc::O_DIRECT } else { 0 }).open(path).await
}

impl IoBuf for Block {
    fn as_init(&self) -> &[u8] {
        &self.0.0
    }
}

impl SetLen for Block {
    unsafe fn set_len(&mut self, _: usize) {}
}

impl IoBufMut for Block {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        let Aligned(bytes) = &mut *self.0;
        // SAFETY: only bytes are written to it, by a driver.
        unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>; super::block::SIZE]) }
    }
}

pub(super) fn measure(bench: &Bench) -> Outcome {
    if let Bench::Start { repeat } = *bench {
        return Ok(crate::report::starts(repeat, || {
            Runtime::new().map(|runtime| runtime.block_on(async { spawn(async {}).await }))
        })?);
    }
    Runtime::new()?.block_on(async {
        match *bench {
            Bench::EchoServer { port, .. } => serve(port, Protocol::from_environment()?).await,
            Bench::HttpServer { port, .. } => serve(port, Protocol::Http).await,
            Bench::Fsread { .. } => random_reads(bench).await,
            _ => run(bench).await,
        }
    })
}

async fn serve(port: u16, protocol: Protocol) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (peer, _) = listener.accept().await?;
        peer.set_nodelay(true)?;
        ::compio::runtime::spawn(converse(peer, protocol)).detach();
    }
}

converse_owned!(TcpStream, |given| (given.0, given.1));
