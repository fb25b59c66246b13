//! Looking up host names away from the workers.
//!
//! The system's resolver (`getaddrinfo`) blocks, for seconds if a name server is dead. So each look-up of a fiber runs on a
//! thread, which takes the next one from the queue if there is one and ends otherwise. Number of threads and queue are the
//! process's, like the resolver.
#![deny(unsafe_code)]

use super::SocketAddr;
use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::sched::cancel::Interruption;
use crate::sched::io::{on_fiber, wait_for_thread};
use std::collections::VecDeque;
use std::net::ToSocketAddrs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

/// So many look-ups run at once in a process. A dead name server then holds up so many threads and no more.
const THREADS: usize = 64;

type Answer = Mutex<Option<io::Result<Vec<SocketAddr>>>>;

struct Job {
    host: String,
    port: u16,
    answer: Arc<Answer>,
    waiter: Waiter,
}

struct Lookups {
    threads: usize,
    queue: VecDeque<Job>,
}

static LOOKUPS: Mutex<Lookups> = Mutex::new(Lookups { threads: 0, queue: VecDeque::new() });

/// The addresses of `host`, with `port`.
///
/// Errors are the resolver's, a refused thread, and on a fiber a cancellation; the look-up is then withdrawn if it has not begun.
pub(super) fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if !on_fiber() {
        return Ok((host, port).to_socket_addrs()?.collect());
    }
    let answer = Arc::new(Answer::default());
    start(Job { host: host.to_owned(), port, answer: answer.clone(), waiter: Waiter::current() })?;
    wait_for_thread(Reason::Lookup, || lock(&answer).take(), || true).map_err(Interruption::into_error)?
}

fn start(job: Job) -> io::Result<()> {
    let mut lookups = lock(&LOOKUPS);
    lookups.queue.push_back(job);
    if lookups.threads == THREADS {
        return Ok(());
    }
    lookups.threads += 1;
    match thread::Builder::new().name("fiber-lookup".to_owned()).spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => {
            lookups.threads -= 1;
            if lookups.threads > 0 {
                // The others will come to it.
                return Ok(());
            }
            lookups.queue.pop_back();
            Err(error)
        }
    }
}

/// A thread's life.
fn work() {
    loop {
        let Job { host, port, answer, waiter } = {
            let mut lookups = lock(&LOOKUPS);
            match lookups.queue.pop_front() {
                Some(job) => job,
                None => {
                    lookups.threads -= 1;
                    return;
                }
            }
        };
        // Otherwise the asker has gone.
        if Arc::strong_count(&answer) > 1 {
            // A panic, of an allocation say, must neither strand the asker nor the count of threads.
            let result = catch_unwind(AssertUnwindSafe(|| Ok((&*host, port).to_socket_addrs()?.collect())));
            *lock(&answer) = Some(result.unwrap_or_else(|_| Err(io::Error::other("the look-up panicked"))));
            waiter.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between locking and unlocking panics halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
