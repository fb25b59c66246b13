//! Waiting for the first of several: what is under `select!`.
//!
//! Of all the arms exactly one happens, and the others leave no trace. One round:
//!
//! 1. **Try** each arm, in an order by chance (or as written). The first that can happen has happened, and that is that. Arms that poll
//!    run code of the user's here, and only here: nothing of the waiter's is in any queue.
//! 2. **Stand in line** for each. An arm looks under the lock of its queue whether it is still impossible, and puts its place there; so
//!    whoever makes it possible from then on finds the place. If it has become possible: take back what was put, next round.
//! 3. **Sleep** until the wait has an end, or an arm without a queue (a join, a poll, a time) has something to look at.
//! 4. **Take back** every place, each under its queue's lock. Whoever claims the wait does so under the lock of a queue in which it found
//!    a place, and ends it under the same lock. So now nobody can reach the wait: either it has an end, by one place, and that arm has
//!    happened, or none has.
//! 5. If none has: next round, or the end of the caller's patience.
//!
//! Whoever does not want to wait goes through the same without step 3: that it could put a place in every line, and nobody has taken
//! one of them, says that at one moment nothing was possible.
//!
//! An arm without a queue never takes part in step 4: what it waits for stays true (a fiber that has ended, a time that has passed), or
//! says of itself that it has to be polled again. (That of a descriptor takes back what it has asked the driver for, and waits for the
//! answer; the places of the others may be claimed meanwhile, as at any other moment before they are taken back.) It happens in step 1 of the next round, or not at all.
//!
//! Two that wait for each other, with both in step 2 at once, both see the other and both go back. One of them is first to try again
//! while the other still stands in line, unless they keep in step with each other to within the length of a try; every round is another
//! roll of the dice, as the order is.
//!
//! Rejected: claiming one's own wait before serving somebody in line (a claim that finds the other claimed has to be undone, and whoever
//! passed by in the meantime has to be found again); taking the locks of all queues at once, as Go does (locks of many types, in an order
//! by address, held for as long as there are arms).

mod adapters;
mod readiness;

use super::choice::Choice;
use super::wait_queue::{AbortOnUnwind, Ended, Paused, Wait};
use super::{Current, io};
use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::sys::sync::AtomicBool;
use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::cell::OnceCell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

pub(crate) use readiness::{Readiness, poll as poll_on_thread};

/// Something that may happen, and of which `select!` takes the first. Made by the methods whose names end in `_event` and by
/// the functions of [`select`](mod@crate::select); cannot be implemented elsewhere, see [`Selectable`](crate::select::Selectable).
///
/// An event that lost is as it was before, and can be selected again: by reference, it outlives the `select!`.
///
/// ```
/// use fiber::select;
/// use fiber::sync::mpsc::sync_channel;
/// use fiber::time::{Duration, after};
///
/// let (sender, receiver) = sync_channel(1);
/// sender.send(1).unwrap();
/// // One message, to be sent whenever there is room, and one time limit for both.
/// let (mut sending, mut limit) = (sender.send_event(2), after(Duration::from_secs(60)));
/// let mut received = Vec::new();
/// let mut sent = false;
/// while received.len() < 2 {
///     select! {
///         message = receiver.recv() => received.push(message.unwrap()),
///         result = &mut sending, if !sent => sent = result.is_ok(),
///         () = &mut limit => panic!("late"),
///     }
/// }
/// assert_eq!(received, [1, 2]);
/// ```
pub trait Event: Arm {
    /// What it gives when it happens.
    type Output;

    /// What it gave, if it has happened.
    #[doc(hidden)]
    fn take(&mut self) -> Option<Self::Output>;

    /// The same event, giving what `f` makes of what it gives. `f` runs after the event has happened, and may do anything.
    ///
    /// ```
    /// use fiber::select::{Event, Select};
    /// use fiber::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// sender.send(3).unwrap();
    /// let squared = receiver.recv_event().map(|number| number.map_or(0, |number| number * number));
    /// assert_eq!(Select::new().arm(squared, |square| square).wait(), 9);
    /// ```
    fn map<T, F: FnMut(Self::Output) -> T>(self, f: F) -> impl Event<Output = T>
    where
        Self: Sized,
    {
        adapters::Map { event: self, f }
    }
}

/// What the wait has to know of an event.
#[doc(hidden)]
pub trait Arm {
    /// Makes it happen if that takes no wait.
    fn attempt(&mut self, ticket: &Ticket) -> bool;

    /// Stands in line, if it still cannot happen. If it was `true`, [`withdraw`](Self::withdraw) follows.
    fn enlist(&mut self, ticket: &Ticket, standing: Standing<'_>) -> bool;

    /// Leaves the line, if it stands there still.
    fn withdraw(&mut self);

    /// The wait was ended at this place. If it is this arm's: whether it has happened by that.
    fn settle(&mut self, place: *const (), end: Ended) -> Option<bool>;

    /// When it happens by itself.
    fn deadline(&self) -> Option<Instant>;

    /// Whether it may be possible now, of an arm that no queue tells of.
    fn is_ready(&self) -> bool;
}

/// The right to stand in line for a wait.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    wait: &'a Wait,
    sleeps: bool,
}

impl<'a> Standing<'a> {
    /// # Safety
    ///
    /// Every arm that is enlisted with it is withdrawn before the arm or the wait moves or goes.
    unsafe fn new(wait: &'a Wait, sleeps: bool) -> Standing<'a> {
        Standing { wait, sleeps }
    }

    /// Whether the waiter is going to sleep, as opposed to one that only asks whether anything is possible.
    pub(crate) fn sleeps(self) -> bool {
        self.sleeps
    }

    /// The wait, which stays where it is until the arm is withdrawn.
    pub(crate) fn wait(self) -> &'a Wait {
        self.wait
    }

    /// Whom to wake, for arms without a queue.
    pub(crate) fn waiter(self) -> Waiter {
        self.wait.waiter()
    }
}

/// How long to wait.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until this moment.
    Until(Instant),
    Endless,
}

/// How a round ended.
enum Round<'a> {
    Happened,
    /// There is something to look at.
    Again,
    /// At one moment, none could happen.
    Nothing,
    Interrupted(super::cancel::Interruption<'a>),
}

/// Waits until one of the arms has happened; `false` if none has, and patience is at an end. Shuffles them, unless their order counts.
///
/// Without patience, `false` means that at one moment none could happen: tried one after the other they may change places. (A single
/// one is tried at one moment anyhow.)
pub(crate) fn first_of(arms: &mut [&mut dyn Arm], biased: bool, patience: Patience) -> bool {
    let ticket = Ticket(OnceCell::new());
    loop {
        ticket.before_polling();
        if !biased {
            shuffle(arms);
        }
        let happened = arms.iter_mut().any(|arm| arm.attempt(&ticket));
        let at_an_end = match patience {
            Patience::None => arms.len() == 1,
            Patience::Until(deadline) => deadline <= Instant::now(),
            Patience::Endless => false,
        };
        if happened || at_an_end {
            io::charge();
            return happened;
        }
        if ticket.was_woken() && !matches!(patience, Patience::None) {
            // By the poll itself: it wants to be asked again after the others had their turn.
            give_way(Current::get());
            continue;
        }
        match round(arms, &ticket, patience) {
            Round::Happened => return true,
            Round::Again => {}
            Round::Nothing => {
                io::charge();
                return false;
            }
            Round::Interrupted(interruption) => interruption.raise(),
        }
    }
}

/// Steps 2 to 4; without patience, as if step 3 had taken no time.
fn round<'a>(arms: &mut [&mut dyn Arm], ticket: &Ticket, patience: Patience) -> Round<'a> {
    let current = Current::get();
    if let Some(current) = current
        && !matches!(patience, Patience::None)
    {
        current.may_suspend(Reason::Select);
    }
    let wait = Wait::new(current, false, true);
    let in_line = AbortOnUnwind;
    // SAFETY: all that are enlisted are withdrawn below, and this function does not unwind until then. The arms are borrowed for as long.
    let standing = unsafe { Standing::new(&wait, !matches!(patience, Patience::None)) };
    let enlisted = arms.iter_mut().map_while(|arm| arm.enlist(ticket, standing).then_some(())).count();
    // Where nobody tells an arm, it may want to look again, and knows since it stands in line.
    let deadline = arms.iter().filter_map(|arm| arm.deadline()).min();
    let round = if enlisted < arms.len() {
        Round::Again
    } else if let Patience::None = patience {
        let ready =
            arms.iter().any(|arm| arm.is_ready()) || deadline.is_some_and(|deadline| deadline <= Instant::now());
        if ready { Round::Again } else { Round::Nothing }
    } else {
        let deadline = if let Patience::Until(limit) = patience {
            Some(deadline.map_or(limit, |deadline| deadline.min(limit)))
        } else {
            deadline
        };
        // Who knows who has the waker.
        let _served = ticket.0.get().and(current).map(|current| current.served_by_thread());
        let noticed = || ticket.was_woken() || arms.iter().any(|arm| arm.is_ready());
        match wait.pause(current, Reason::Select, deadline, noticed) {
            Paused::Interrupted(interruption) => Round::Interrupted(interruption),
            Paused::Ended | Paused::Noticed | Paused::TimedOut => Round::Again,
        }
    };
    arms[..enlisted].iter_mut().for_each(|arm| arm.withdraw());
    std::mem::forget(in_line);
    let Some(end) = wait.ended() else {
        return round;
    };
    let place = wait.ended_at();
    let happened = arms.iter_mut().find_map(|arm| arm.settle(place, end));
    if happened.expect("a wait is ended at a place of one of its arms") { Round::Happened } else { Round::Again }
}

/// Waits until the alert, which is the caller's, is raised. A cancelled fiber unwinds.
pub(crate) fn wait_for_alert(alert: &Alert) {
    let current = Current::get();
    if let Some(current) = current {
        current.may_suspend(Reason::Future);
    }
    if alert.was_raised() {
        // By the poll itself, which wants to be asked again after the others had their turn.
        return give_way(current);
    }
    let _served = current.map(|current| current.served_by_thread());
    let paused = Wait::new(current, false, false).pause(current, Reason::Future, None, || alert.was_raised());
    if let Paused::Interrupted(interruption) = paused {
        interruption.raise();
    }
}

fn give_way(current: Option<Current<'_>>) {
    match current {
        Some(current) => {
            current.may_suspend(Reason::Yield);
            current.yield_now();
        }
        None => std::thread::yield_now(),
    }
}

/// Every order as likely as every other (R. Durstenfeld, "Algorithm 235: Random permutation", CACM 7, 1964).
fn shuffle<T>(items: &mut [T]) {
    thread_local! {
        static CHOICE: Choice = Choice::seeded(RandomState::new().hash_one(0));
    }
    let mut by = |choice: &Choice| {
        for last in (1..items.len()).rev() {
            items.swap(last, choice.below(last + 1));
        }
    };
    match Current::get() {
        Some(current) => by(&current.worker().choice),
        None => CHOICE.with(by),
    }
}

/// What the rounds of one wait have in common: how arms that poll are told to poll again.
#[doc(hidden)]
pub struct Ticket(OnceCell<Arc<Alert>>);

impl Ticket {
    /// A waker of the waiter.
    pub(crate) fn waker(&self) -> Waker {
        self.0.get_or_init(|| Arc::new(Alert::new())).clone().into()
    }

    /// Whether the waker was used since the last polls began.
    pub(crate) fn was_woken(&self) -> bool {
        self.0.get().is_some_and(|alert| alert.was_raised())
    }

    fn before_polling(&self) {
        if let Some(alert) = self.0.get() {
            alert.lower();
        }
    }
}

/// A waker of a fiber or a thread, with a flag that says that it was used: a fiber that runs cannot be woken, and has to find out.
pub(crate) struct Alert {
    raised: AtomicBool,
    waiter: Waiter,
}

impl Alert {
    /// One of the caller.
    pub(crate) fn new() -> Alert {
        Alert { raised: AtomicBool::new(false), waiter: Waiter::current() }
    }

    pub(crate) fn was_raised(&self) -> bool {
        self.raised.load(Acquire)
    }

    /// Called before what it tells of is looked at.
    pub(crate) fn lower(&self) {
        self.raised.swap(false, AcqRel);
    }
}

impl Wake for Alert {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Release);
        self.waiter.clone().wake();
    }
}
