//! Who keeps the lookouts of futures that are polled off the fibers: one thread of the process, started with the first of them. It stays, and sleeps
//! while nothing happens.

use super::table::{Table, place};
use super::{Errand, Errands};
use crate::driver::{Doorbell, Driver, DriverConfig, DriverKind};
use crate::sched::clock;
use crate::sched::inbox::Sleep;
use crate::sched::timers::Timers;
use crate::sched::worker::Alarm;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

pub(super) struct Watchman {
    errands: Errands<Errand>,
    /// How many errands were left so far.
    left: AtomicUsize,
    /// How many of them were run when it last had nothing to look out for, and `usize::MAX` while it has.
    rests_at: AtomicUsize,
    sleep: Sleep,
    doorbell: Doorbell,
}

static WATCHMAN: Mutex<Option<&Watchman>> = Mutex::new(None);

/// How many threads this module keeps that will wake nobody unless somebody asks them to: one, if it has nothing to look out for.
pub(crate) fn resting_threads() -> usize {
    let watchman = *WATCHMAN.lock().unwrap_or_else(PoisonError::into_inner);
    watchman.map_or(0, |watchman| usize::from(watchman.rests_at.load(SeqCst) == watchman.left.load(SeqCst)))
}

impl Watchman {
    /// The process's.
    pub(super) fn get() -> io::Result<&'static Watchman> {
        let mut watchman = WATCHMAN.lock().unwrap_or_else(PoisonError::into_inner);
        match *watchman {
            Some(watchman) => Ok(watchman),
            None => Ok(*watchman.insert(Watchman::start()?)),
        }
    }

    fn start() -> io::Result<&'static Watchman> {
        let (tell, told) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("fiber-lookout".to_owned()).spawn(move || {
            // A driver is used on the thread that made it. This one's operations are all polls, and epoll is permitted everywhere.
            let driver = Driver::new(&DriverConfig { kind: DriverKind::Epoll, ..DriverConfig::default() });
            let driver = match driver {
                Ok(driver) => driver,
                Err(error) => return drop(tell.send(Err(io::Error::other(error)))),
            };
            let watchman = Watchman {
                errands: Errands::default(),
                left: AtomicUsize::new(0),
                rests_at: AtomicUsize::new(0),
                sleep: Sleep::new(),
                doorbell: driver.doorbell(),
            };
            let watchman: &'static Watchman = Box::leak(Box::new(watchman));
            let _ = tell.send(Ok(watchman));
            watchman.work(driver);
        })?;
        told.recv().map_err(io::Error::other)?
    }

    /// From any thread.
    pub(super) fn leave(&self, errand: Errand) {
        // Before it can be run.
        self.left.fetch_add(1, SeqCst);
        self.errands.leave(errand);
        if self.sleep.must_ring() {
            self.doorbell.ring();
        }
    }

    fn work(&self, mut driver: Driver) -> ! {
        let mut table = Table::default();
        let mut timers = Timers::new(clock::now());
        let mut run = 0;
        loop {
            self.rests_at.store(if table.is_empty() { run } else { usize::MAX }, SeqCst);
            // The order in which a worker falls asleep, see `sched::park`.
            driver.arm_doorbell();
            self.sleep.fall_asleep();
            let timeout = if self.errands.is_empty() {
                timers.next_deadline().map(|at| Duration::from_nanos(at.saturating_sub(clock::now())))
            } else {
                Some(Duration::ZERO)
            };
            driver.park(timeout, &mut |completion| {
                if let Some(place) = place(completion.token) {
                    table.happened(place, completion.result);
                }
            });
            self.sleep.wake_up();
            timers.expire(clock::now(), |alarm| {
                if let Alarm::Lookout(place) = alarm {
                    table.happened(place, 0);
                }
            });
            for errand in self.errands.take() {
                run += 1;
                match errand {
                    Errand::Keep(kept) => table.keep(kept, &mut driver, &mut timers),
                    Errand::LetGo(kept) => table.let_go(&kept, &mut driver, &mut timers),
                }
            }
            while let Some((kept, result)) = table.next_ended() {
                kept.end(result);
            }
        }
    }
}
