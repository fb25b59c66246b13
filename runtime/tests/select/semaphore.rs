//! Permits as one of several things.

use crate::common::{Count, LONG, here, until_waiting};
use crate::everywhere::Place;
use fiber::runtime::Reason;
use fiber::select;
use fiber::sync::mpsc::channel;
use fiber::sync::{Notify, Semaphore};
use fiber::time::after;
use std::sync::Arc;
use std::time::Duration;

fn permits_that_are_there_are_taken<P: Place>() {
    P::run(|| {
        let (semaphore, never) = (Arc::new(Semaphore::new(4)), Notify::new());
        select! {
            one = semaphore.acquire() => assert_eq!((one.num_permits(), semaphore.available_permits()), (1, 3)),
            () = never.notified() => unreachable!(),
        }
        select! {
            all = semaphore.acquire_many(4) => assert_eq!((all.num_permits(), semaphore.available_permits()), (4, 0)),
            () = never.notified() => unreachable!(),
        }
        let owned = select! {
            owned = semaphore.clone().acquire_many_owned(2) => owned,
            () = never.notified() => unreachable!(),
        };
        select! {
            another = semaphore.clone().acquire_owned() => another.forget(),
            () = never.notified() => unreachable!(),
        }
        let last = select! {
            permit = &*semaphore => permit,
            default => unreachable!(),
        };
        let none = select! {
            permit = semaphore.acquire() => Some(permit),
            default => None,
        };
        assert!(none.is_none());
        drop((owned, last));
        assert_eq!(semaphore.available_permits(), 3);
    });
}

fn permits_that_come_are_taken<P: Place>() {
    P::run(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let peer = P::spawn({
            let semaphore = semaphore.clone();
            move || {
                for _ in 0..3 {
                    P::pause();
                    semaphore.add_permits(1);
                }
            }
        });
        select! {
            permits = semaphore.acquire_many(3) => permits.forget(),
            () = after(LONG) => unreachable!(),
        }
        peer();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

/// Who asked for more than there is, and takes something else, lets those pass that waited behind it.
fn one_that_lost_is_in_nobodys_way<P: Place>() {
    P::run(|| {
        let (semaphore, (sender, receiver)) = (Arc::new(Semaphore::new(1)), channel());
        let behind = P::spawn({
            let semaphore = semaphore.clone();
            move || {
                P::pause();
                drop(semaphore.acquire());
                sender
            }
        });
        for _ in 0..2 {
            select! {
                _ = semaphore.acquire_many(2) => unreachable!(),
                () = after(Duration::from_millis(4)) => {}
            }
        }
        let sender = behind();
        sender.send(()).unwrap();
        select! {
            biased;
            _ = semaphore.acquire_many(2) => unreachable!(),
            message = receiver.recv() => message.unwrap(),
        }
        drop(semaphore.try_acquire().expect("nobody waits"));
    });
}

/// Many that take a permit or a message, whatever comes first: as many of each as there were, and none is left over or lost.
fn as_many_permits_as_there_were<P: Place>() {
    const EACH: usize = 50;
    P::run(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let (sender, receiver) = fiber::sync::mpmc::channel();
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let (semaphore, receiver) = (semaphore.clone(), receiver.clone());
                P::spawn(move || {
                    let (mut permits, mut messages) = (0, 0);
                    loop {
                        select! {
                            permit = semaphore.acquire() => {
                                permit.forget();
                                permits += 1;
                            }
                            message = receiver.recv() => match message {
                                Ok(()) => messages += 1,
                                Err(_) => return (permits, messages),
                            },
                        }
                    }
                })
            })
            .collect();
        let adds = P::spawn({
            let semaphore = semaphore.clone();
            move || (0..EACH).for_each(|_| semaphore.add_permits(1))
        });
        (0..EACH).for_each(|_| sender.send(()).unwrap());
        adds();
        drop(sender);
        let taken = takers.into_iter().map(|taker| taker());
        let (permits, messages) = taken.fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1));
        assert_eq!(messages, EACH);
        assert_eq!(permits + semaphore.available_permits(), EACH);
    });
}

everywhere! {
    permits_that_are_there_are_taken
    permits_that_come_are_taken
    one_that_lost_is_in_nobodys_way
    as_many_permits_as_there_were
}

/// A future that has its permit, and is dropped without having been asked, passes it on; one that waits lets others pass.
#[test]
fn futures_that_are_dropped_leave_nothing() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let semaphore = Arc::new(Semaphore::new(1));
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut greedy = pin!(semaphore.acquire_many_async(2));
        assert!(greedy.as_mut().poll(&mut context).is_pending());
        let mut modest = pin!(semaphore.clone().acquire_owned_async());
        assert!(modest.as_mut().poll(&mut context).is_pending(), "first come, first served");
        semaphore.add_permits(1);
        let Poll::Ready(both) = greedy.as_mut().poll(&mut context) else { panic!("there are two") };
        drop(both);
    }
    // The second had one when it was dropped.
    assert_eq!(semaphore.available_permits(), 2);
    {
        let mut greedy = Box::pin(semaphore.acquire_many_async(3));
        assert!(greedy.as_mut().poll(&mut context).is_pending());
        let mut modest = pin!(semaphore.acquire_async());
        assert!(modest.as_mut().poll(&mut context).is_pending());
        drop(greedy);
        assert!(modest.as_mut().poll(&mut context).is_ready());
    }
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_cancelled_fiber_leaves_the_line() {
    crate::common::runtime(1).run(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let dropped = Count::new();
        let greedy = fiber::spawn({
            let (semaphore, guard) = (semaphore.clone(), dropped.on_drop());
            move || {
                let _guard = guard;
                select! {
                    _ = semaphore.acquire_many(2) => unreachable!(),
                    () = after(LONG) => unreachable!(),
                }
            }
        });
        until_waiting(&here(), &greedy.fiber(), Reason::Select);
        assert!(semaphore.try_acquire().is_none(), "somebody waits");
        greedy.cancel();
        assert!(greedy.join().unwrap_err().is_cancelled());
        assert_eq!(dropped.get(), 1);
        drop(semaphore.try_acquire().expect("nobody waits"));
    });
}
