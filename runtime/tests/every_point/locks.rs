//! Every lock, waited for.

use crate::step::{Counter, Step, Token, gate, give_way};
use fiber::sync::{Barrier, Condvar, LazyLock, Mutex, Notify, Once, OnceLock, RwLock, Semaphore};
use fiber::time::sleep;
use std::sync::Arc;
use std::time::Duration;

use super::common::LONG;

/// Long enough to suspend for.
pub(crate) const SHORT: Duration = Duration::from_micros(20);

pub(crate) fn steps(token: &Token) -> Vec<Step> {
    let mut steps = vec![mutex(token), read(token), write(token), barrier(token)];
    steps.extend([condvar(token), a_notification_for_one_of_two(token)]);
    steps.extend([semaphore(token), owned_permits(token), notify(token)]);
    steps.extend([once_by_others(token), once_by_us(token), cell(token), lazy(token)]);
    steps
}

fn mutex(token: &Token) -> Step {
    let (token, mutex) = (token.clone(), Arc::new(Mutex::new(0)));
    let (theirs, after, next) = (mutex.clone(), mutex.clone(), mutex.clone());
    let (open, opened) = gate();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        *mutex.lock().unwrap() += 1;
        let mut guard = mutex.lock_timeout(LONG).unwrap();
        // A wait with the lock held, and somebody in line for it.
        sleep(SHORT);
        *guard += 1;
        Ok(())
    };
    Step::new("mutex", ours)
        .with(move || {
            let guard = theirs.lock().unwrap();
            open();
            drop(guard);
        })
        .with(move || {
            give_way();
            *next.lock().unwrap() += 10;
        })
        .check(move |is_done| {
            let count = *after.try_lock().expect("it is free, and not poisoned");
            assert!(if is_done { count == 12 } else { (10..12).contains(&count) }, "{count}");
        })
}

fn read(token: &Token) -> Step {
    let (token, lock) = (token.clone(), Arc::new(RwLock::new(())));
    let (theirs, after) = (lock.clone(), lock.clone());
    let (open, opened) = gate();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        drop(lock.read().unwrap());
        let _guard = lock.read_timeout(LONG).unwrap();
        sleep(SHORT);
        Ok(())
    };
    Step::new("read", ours)
        .with(move || {
            let guard = theirs.write().unwrap();
            open();
            drop(guard);
            drop(theirs.write().unwrap());
        })
        .check(move |_| drop(after.try_write().expect("it is free, and not poisoned")))
}

fn write(token: &Token) -> Step {
    let (token, lock) = (token.clone(), Arc::new(RwLock::new(())));
    let (theirs, behind, after) = (lock.clone(), lock.clone(), lock.clone());
    let (open, opened) = gate();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        drop(lock.write().unwrap());
        let _guard = lock.write_timeout(LONG).unwrap();
        sleep(SHORT);
        Ok(())
    };
    Step::new("write", ours)
        .with(move || {
            let guard = theirs.read().unwrap();
            open();
            drop(guard);
        })
        .with(move || {
            // A reader behind the writer that may give up.
            give_way();
            drop(behind.read().unwrap());
        })
        .check(move |_| drop(after.try_write().expect("it is free, and not poisoned")))
}

fn barrier(token: &Token) -> Step {
    let (token, barrier, leaders) = (token.clone(), Arc::new(Barrier::new(2)), Counter::default());
    let (theirs, instead) = (barrier.clone(), barrier.clone());
    let (led, led_by_us, led_by_test) = (leaders.clone(), leaders.clone(), leaders.clone());
    let ours = move || {
        let _token = token;
        led_by_us.add(barrier.wait().is_leader().into());
        Ok(())
    };
    Step::new("barrier", ours)
        .with(move || led.add(theirs.wait().is_leader().into()))
        .rescue(move || led_by_test.add(instead.wait().is_leader().into()))
        .check(move |_| assert_eq!(leaders.get(), 1))
}

fn condvar(token: &Token) -> Step {
    let (token, pair) = (token.clone(), Arc::new((Mutex::new(false), Condvar::new())));
    let (theirs, after) = (pair.clone(), pair.clone());
    let ours = move || {
        let _token = token;
        let guard = pair.1.wait_while(pair.0.lock().unwrap(), |ready| !*ready).unwrap();
        let (_guard, timeout) = pair.1.wait_timeout(guard, SHORT).unwrap();
        assert!(timeout.timed_out());
        Ok(())
    };
    Step::new("condvar", ours)
        .with(move || {
            give_way();
            // With the lock held: whoever is woken has to wait for that next.
            let mut ready = theirs.0.lock().unwrap();
            theirs.1.notify_all();
            give_way();
            *ready = true;
            theirs.1.notify_all();
        })
        .check(move |_| assert!(*after.0.try_lock().expect("it is free, and not poisoned")))
}

/// The fiber waits before another. Whoever is notified takes what there is; cut short, the fiber leaves it to the other.
fn a_notification_for_one_of_two(token: &Token) -> Step {
    fn take(pair: &(Mutex<u32>, Condvar)) {
        *pair.1.wait_while(pair.0.lock().unwrap(), |left| *left == 0).unwrap() -= 1;
    }
    let (token, pair) = (token.clone(), Arc::new((Mutex::new(0), Condvar::new())));
    let (other, theirs, after) = (pair.clone(), pair.clone(), pair.clone());
    let give = move || {
        *theirs.0.lock().unwrap() += 1;
        theirs.1.notify_one();
    };
    let (again, taken) = (give.clone(), Counter::default());
    let (by_us, by_other) = (taken.clone(), taken.clone());
    let ours = move || {
        let _token = token;
        take(&pair);
        by_us.add(1);
        // Now it is the other's turn, whatever becomes of this fiber.
        fiber::shield(again);
        Ok(())
    };
    Step::new("a notification for one of two", ours)
        .with(move || {
            fiber::yield_now();
            take(&other);
            by_other.add(1);
        })
        .with(move || {
            give_way();
            give();
        })
        .check(move |is_done| {
            assert_eq!(taken.get(), 1 + u64::from(is_done));
            assert_eq!(*after.0.try_lock().expect("it is free, and not poisoned"), 0);
        })
}

fn semaphore(token: &Token) -> Step {
    let (token, semaphore) = (token.clone(), Arc::new(Semaphore::new(2)));
    let (theirs, behind, after) = (semaphore.clone(), semaphore.clone(), semaphore.clone());
    let (open, opened) = gate();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        let both = semaphore.acquire_many(2);
        sleep(SHORT);
        drop(both);
        let _one = semaphore.acquire_timeout(LONG).unwrap();
        sleep(SHORT);
        Ok(())
    };
    Step::new("semaphore", ours)
        .with(move || {
            let permit = theirs.acquire();
            open();
            drop(permit);
            drop(theirs.acquire_many(2));
        })
        .with(move || {
            // One is there, but it is not this one's turn.
            give_way();
            drop(behind.acquire());
        })
        .check(move |_| assert_eq!(after.available_permits(), 2))
}

fn owned_permits(token: &Token) -> Step {
    let (token, semaphore) = (token.clone(), Arc::new(Semaphore::new(0)));
    let (theirs, after) = (semaphore.clone(), semaphore.clone());
    let ours = move || {
        let _token = token;
        let _permit = semaphore.clone().acquire_owned();
        let _more = semaphore.acquire_many_owned(2);
        Ok(())
    };
    Step::new("owned permits", ours)
        .with(move || {
            for _ in 0..3 {
                give_way();
                theirs.add_permits(1);
            }
        })
        .check(move |_| assert_eq!(after.available_permits(), 3))
}

fn notify(token: &Token) -> Step {
    let (token, notify) = (token.clone(), Arc::new(Notify::new()));
    let (theirs, after) = (notify.clone(), notify.clone());
    let ours = move || {
        let _token = token;
        notify.notified();
        Ok(())
    };
    Step::new("notify", ours)
        .with(move || {
            give_way();
            theirs.notify_one();
        })
        .check(move |is_done| assert_eq!(after.notified_timeout(Duration::ZERO), !is_done, "one for one"))
}

fn once_by_others(token: &Token) -> Step {
    let (token, once) = (token.clone(), Arc::new(Once::new()));
    let (theirs, after) = (once.clone(), once.clone());
    let (open, opened) = gate();
    let ours = move || {
        let _token = token;
        opened.recv().unwrap();
        once.call_once(|| unreachable!("somebody is at it"));
        once.wait();
        Ok(())
    };
    Step::new("once, by others", ours)
        .with(move || theirs.call_once(open))
        .check(move |_| assert!(after.is_completed()))
}

/// An attempt that is cut short is as if it had not been made.
fn once_by_us(token: &Token) -> Step {
    let (token, once) = (token.clone(), Arc::new(Once::new()));
    let (theirs, after) = (once.clone(), once.clone());
    let ours = move || {
        let _token = token;
        once.call_once(|| sleep(SHORT));
        Ok(())
    };
    Step::new("once, by us", ours)
        .with(move || theirs.call_once(give_way))
        .check(move |_| after.call_once(|| unreachable!("it is done")))
}

fn cell(token: &Token) -> Step {
    let (token, cell) = (token.clone(), Arc::new(OnceLock::new()));
    let (theirs, after) = (cell.clone(), cell.clone());
    let ours = move || {
        let _token = token;
        cell.get_or_init(|| {
            sleep(SHORT);
            1
        });
        Ok(())
    };
    Step::new("cell", ours)
        .with(move || {
            theirs.wait();
        })
        .rescue({
            let instead = after.clone();
            move || {
                instead.get_or_init(|| 2);
            }
        })
        .check(move |is_done| assert!(matches!((after.get(), is_done), (Some(1), _) | (Some(2), false))))
}

fn lazy(token: &Token) -> Step {
    let token = token.clone();
    let lazy = Arc::new(LazyLock::new(move || {
        sleep(SHORT);
        token
    }));
    let (theirs, after) = (lazy.clone(), lazy.clone());
    let ours = move || {
        let _token = (**lazy).clone();
        Ok(())
    };
    Step::new("lazy value", ours).with(move || drop((**theirs).clone())).check(move |_| drop((**after).clone()))
}
