//! Why a fiber waits: one name per place that suspends, so that a dump can be read.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident => $text:literal,)*) => {
        /// What a suspended fiber waits for.
        ///
        /// Each place of the runtime that suspends has a variant of its own; [`Display`](fmt::Display) gives the words
        /// that a dump prints.
        ///
        /// ```
        /// use fiber::runtime::Reason;
        ///
        /// assert_eq!(Reason::Sleep.to_string(), "sleeping");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            const ALL: &'static [Reason] = &[$(Reason::$variant,)*];
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Reason::$variant => $text,)* })
            }
        }
    };
}

reasons! {
    /// In [`yield_now`](crate::yield_now), or at the end of its budget.
    Yield => "yielding",
    /// In [`park`](crate::park) or [`park_timeout`](crate::park_timeout).
    Park => "parked",
    /// In [`JoinHandle::join`](crate::JoinHandle::join).
    Join => "joining a fiber",
    /// At the end of a [`scope`](crate::scope), for its children.
    Scope => "waiting for the fibers of its scope",
    /// In [`time::sleep`](crate::time::sleep) or [`time::sleep_until`](crate::time::sleep_until).
    Sleep => "sleeping",
    /// In [`sync::Mutex::lock`](crate::sync::Mutex::lock).
    Lock => "locking a mutex",
    /// In [`sync::RwLock::read`](crate::sync::RwLock::read).
    ReadLock => "locking for reading",
    /// In [`sync::RwLock::write`](crate::sync::RwLock::write).
    WriteLock => "locking for writing",
    /// In [`sync::Condvar::wait`](crate::sync::Condvar::wait).
    Condition => "waiting for a condition variable",
    /// In [`sync::Barrier::wait`](crate::sync::Barrier::wait).
    Barrier => "waiting at a barrier",
    /// In [`sync::Once`](crate::sync::Once), or what is made of it, while it is done elsewhere.
    Once => "waiting for an initialisation",
    /// In [`sync::Semaphore::acquire`](crate::sync::Semaphore::acquire).
    Acquire => "acquiring a permit",
    /// In [`sync::Notify::notified`](crate::sync::Notify::notified).
    Notify => "waiting for a notification",
    /// In `send` of a full channel.
    Send => "sending to a full channel",
    /// In `recv` of an empty channel.
    Receive => "receiving from an empty channel",
    /// In `changed` or `wait_for` of a watched value.
    Watch => "waiting for a watched value to change",
    /// In [`block_on`](crate::block_on), for the future's waker.
    Future => "waiting for a future",
    /// In [`CancelToken::cancelled`](crate::CancelToken::cancelled).
    Token => "waiting for a token's cancellation",
    /// In `closed`: for the other end of a channel to go.
    Closed => "waiting for a channel to close",
    /// In [`select!`](crate::select!), for the first of several to happen.
    Select => "waiting for the first of several",
    /// In [`net::TcpListener::accept`](crate::net::TcpListener::accept).
    Accept => "accepting a connection",
    /// In [`net::TcpStream::connect`](crate::net::TcpStream::connect).
    Connect => "connecting",
    /// Reading from a socket.
    Read => "reading from a socket",
    /// Writing to a socket.
    Write => "writing to a socket",
    /// In [`net::Lent::reclaim`](crate::net::Lent::reclaim), for the other side to take what was sent.
    Reclaim => "waiting for a buffer that is being sent",
    /// In [`net::TcpStream::send_file`](crate::net::TcpStream::send_file).
    SendFile => "sending a file",
    /// In [`net::TcpStream::peek`](crate::net::TcpStream::peek).
    Peek => "peeking at a socket",
    /// In [`io::readable`](crate::io::readable) or [`io::writable`](crate::io::writable), or at the end of a `select!` that had such an arm.
    Ready => "waiting for a descriptor to be ready",
    /// Opening a file.
    Open => "opening a file",
    /// Reading from a file.
    FileRead => "reading from a file",
    /// Writing to a file.
    FileWrite => "writing to a file",
    /// In [`fs::File::sync_all`](crate::fs::File::sync_all) or [`fs::File::sync_data`](crate::fs::File::sync_data).
    FileSync => "waiting for a file to reach its disk",
    /// In another call on an open [`fs::File`](crate::fs::File).
    File => "asking or changing a file",
    /// In a call of [`fs`](crate::fs) that names a path.
    Path => "asking or changing the file system",
    /// For another fiber or thread that uses the position of the same [`fs::File`](crate::fs::File).
    FilePosition => "waiting for its turn at a file",
    /// In [`fs::File::lock`](crate::fs::File::lock) or [`fs::File::lock_shared`](crate::fs::File::lock_shared).
    FileLock => "locking a file",
    /// In [`blocking`](crate::blocking), until its closure has run on a thread of the pool.
    Blocking => "waiting for a blocking call",
    /// In the look-up of a host name.
    Lookup => "looking up a host name",
    /// Reading from a pipe.
    PipeRead => "reading from a pipe",
    /// Writing to a pipe.
    PipeWrite => "writing to a pipe",
    /// In [`io::copy`](crate::io::copy), where the kernel copies.
    Copy => "copying",
    /// Reading from [`io::stdin`](crate::io::stdin).
    Stdin => "reading from standard input",
    /// Writing to [`io::stdout`](crate::io::stdout).
    Stdout => "writing to standard output",
    /// Writing to [`io::stderr`](crate::io::stderr).
    Stderr => "writing to standard error",
    /// In [`process::Command::spawn`](crate::process::Command::spawn).
    Spawn => "starting a process",
    /// In [`process::Child::wait`](crate::process::Child::wait).
    Exit => "waiting for a process to end",
    /// In [`signal::ctrl_c`](crate::signal::ctrl_c) or a method of [`signal::Signals`](crate::signal::Signals).
    Signal => "waiting for a signal",
}

impl Reason {
    /// The reason with this number, as written by `as u8`.
    pub(crate) fn from_number(number: u8) -> Option<Reason> {
        Reason::ALL.get(usize::from(number)).copied()
    }
}
