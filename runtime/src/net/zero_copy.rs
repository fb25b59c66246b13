//! Sending without a copy, from memory that is lent until the other side has it.
#![allow(unsafe_code, reason = "lends memory to the kernel")]

use super::TcpStream;
use super::socket;
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::Current;
use crate::sched::io::{on_fiber, supports};
use crate::sched::lasting::{Lasting, Recipient};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

/// Memory that can be [sent without a copy](TcpStream::send_zero_copy): bytes that stay where they are, whoever drops them and when.
///
/// `Vec<u8>`, `String`, `Box<[u8]>`, `Arc<[u8]>`, `&'static [u8]` and `&'static str`. Not to be implemented elsewhere.
pub trait SendBuffer: sealed::Bytes {}

mod sealed {
    /// What is dropped between fibers, so the destructor gives memory back and does nothing else; and it does not move with its owner.
    pub trait Bytes: 'static {
        fn bytes(&self) -> &[u8];
    }
}

macro_rules! buffers {
    ($($kind:ty: $this:ident => $bytes:expr;)*) => {$(
        impl SendBuffer for $kind {}

        impl sealed::Bytes for $kind {
            fn bytes(&self) -> &[u8] {
                let $this = self;
                $bytes
            }
        }
    )*};
}

buffers! {
    Vec<u8>: buf => buf;
    String: buf => buf.as_bytes();
    Box<[u8]>: buf => buf;
    Arc<[u8]>: buf => buf;
    &'static [u8]: buf => buf;
    &'static str: buf => buf.as_bytes();
}

/// A buffer of which the kernel sends, or has sent: by [`TcpStream::send_zero_copy`].
///
/// The buffer lives until the kernel is done with it, whatever becomes of this: if it is dropped, or its fiber is cancelled, the buffer is
/// freed when the other side has the data. If the runtime ends before that, it is not freed at all.
///
/// It belongs to the worker of the fiber that has sent, and is not `Send`.
#[must_use = "the buffer can be used again once the kernel is done with it"]
pub struct Lent<B: SendBuffer>(State<B>);

enum State<B> {
    Free(B),
    Lent(Lasting<Loan<B>>),
}

/// What the kernel has.
struct Loan<B> {
    /// Taken out when the kernel is done with it.
    buffer: RefCell<Option<B>>,
    /// The result of sending: that of the first completion.
    sent: Cell<Option<i32>>,
}

impl<B> Recipient for Loan<B> {
    fn note(&self, result: i32, _: bool) -> bool {
        if self.sent.get().is_none() {
            self.sent.set(Some(result));
        }
        false
    }
}

impl TcpStream {
    /// Sends the buffer without copying it (`IORING_OP_SEND_ZC`): the network card reads it where it is. Suspends the fiber until all of it is on its
    /// way, or a part, if something comes between.
    ///
    /// Gives the number of bytes, as [`write`](Write::write) does, and the buffer, which the kernel goes on using until the other side has the
    /// data: also for a retransmission, so a silent peer has it for as long as it likes. That wait is a call of its own,
    /// [`Lent::reclaim`]. Where nobody wants the buffer back, drop it.
    ///
    /// Where the kernel has no such operation (before Linux 6.0), where fibers wait by epoll, on ordinary threads, in non-blocking mode, for a
    /// local socket in the guise of this type, and where too much memory is locked (`RLIMIT_MEMLOCK`), it copies as `write` does, and the
    /// buffer is free at once.
    ///
    /// # When it pays
    ///
    /// With large buffers and a network card that gathers: the kernel saves the copy, and pays for pinning the pages and for a second completion. Over loopback
    /// and virtual network devices, which copy in any case, it never does: there the sender's processor time is 20 times that of `write` for 4 KiB,
    /// 3 times for 64 KiB, and twice for 1 MiB, if each buffer is awaited (Linux 6.18). On a network card, measure from 16 KiB on.
    ///
    /// # Errors
    ///
    /// As `write`.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::Read;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut peer, _) = listener.accept()?;
    ///
    /// let (sent, lent) = stream.send_zero_copy(vec![7; 100_000]);
    /// # let sent = sent?;
    /// # fiber::spawn(move || peer.read_exact(&mut vec![0; sent]));
    /// let buffer: Vec<u8> = lent.reclaim()?;
    /// assert_eq!((sent, buffer.len()), (100_000, 100_000));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn send_zero_copy<B: SendBuffer>(&self, buf: B) -> (io::Result<usize>, Lent<B>) {
        let manner = self.mode.sending();
        let fd = self.as_raw_fd();
        if !on_fiber() || !manner.waits || !supports(&send(fd, buf.bytes())) {
            return ((&mut &*self).write(buf.bytes()), Lent(State::Free(buf)));
        }
        if let Some(interruption) = Current::get().and_then(|current| current.interruption()) {
            return (Err(interruption.into_error()), Lent(State::Free(buf)));
        }
        crate::sched::io::may_suspend(Reason::Write);
        let loan = Loan { buffer: RefCell::new(Some(buf)), sent: Cell::new(None) };
        // SAFETY: the bytes stay where they are until their owner is dropped, and their owner stays in the loan until the last completion
        // (see `take`). Nobody changes them: `Loan` gives out shared references.
        let loan = unsafe { Lasting::begin(|loan| loan.with(|bytes| send(fd, bytes)), loan, true) };
        let sent = loan.wait_for_result(Reason::Write, manner.timeout, |loan| loan.sent.get());
        let sent = match sent {
            Ok(sent) => Ok(sent as usize),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOBUFS | libc::ENOMEM)) => {
                loan.recipient().with(|bytes| socket::send(self.as_fd(), bytes, &manner))
            }
            Err(error) => Err(socket::as_std_times_out(error)),
        };
        (sent, Lent(State::Lent(loan)))
    }
}

fn send(fd: RawFd, bytes: &[u8]) -> Operation {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    Operation::SendZeroCopy { fd, buf: bytes.as_ptr(), len: bytes.len(), flags }
}

impl<B: SendBuffer> Loan<B> {
    /// Uses the bytes. Only as long as nobody has taken the buffer out.
    fn with<T>(&self, f: impl FnOnce(&[u8]) -> T) -> T {
        f(self.buffer.borrow().as_ref().expect("it is taken out at the end, once").bytes())
    }
}

impl<B: SendBuffer> Lent<B> {
    /// Whether the kernel is done with the buffer, so that [`reclaim`](Self::reclaim) does not wait.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match &self.0 {
            State::Free(_) => true,
            State::Lent(loan) => loan.has_ended(),
        }
    }

    /// The buffer, if the kernel is done with it.
    ///
    /// # Errors
    ///
    /// If it is not, with this.
    pub fn try_reclaim(self) -> Result<B, Lent<B>> {
        match self.0 {
            State::Free(buffer) => Ok(buffer),
            State::Lent(loan) if loan.has_ended() => Ok(take(&loan)),
            lent => Err(Lent(lent)),
        }
    }

    /// Waits until the kernel is done with the buffer, and gives it back.
    ///
    /// That is when the other side has acknowledged the data, or the connection is gone. A peer that does not read keeps it waiting.
    ///
    /// # Errors
    ///
    /// That of a cancellation, or of a time limit around the call. The buffer is then freed when the kernel is done with it.
    pub fn reclaim(self) -> io::Result<B> {
        match self.try_reclaim() {
            Ok(buffer) => Ok(buffer),
            Err(Lent(State::Lent(loan))) if on_fiber() => {
                loan.wait(Reason::Reclaim, None, |_| loan.has_ended().then_some(()))?;
                Ok(take(&loan))
            }
            // It cannot leave the worker's thread; this is the end of that.
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Takes the buffer out. The last completion has come.
fn take<B: SendBuffer>(loan: &Lasting<Loan<B>>) -> B {
    loan.recipient().buffer.take().expect("it is taken out at the end, once")
}

impl<B: SendBuffer> fmt::Debug for Lent<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("is_free", &self.is_free()).finish_non_exhaustive()
    }
}
