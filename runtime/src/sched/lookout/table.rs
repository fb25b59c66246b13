//! What a keeper keeps: a slab whose indices are the tokens of its driver and the payloads of its timers.

use super::{Kept, Sight};
use crate::driver::{Driver, Operation, Token};
use crate::sched::timers::{TimerKey, Timers};
use crate::sched::worker::Alarm;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Default)]
pub(in crate::sched) struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// What has ended and was not told yet, with its result.
    ended: VecDeque<(Arc<Kept>, i32)>,
}

struct Entry {
    kept: Arc<Kept>,
    /// Of a time; a descriptor's operation has its place as token.
    timer: Option<TimerKey>,
}

/// The token of the operation of the lookout at this place. Odd: the other tokens of a worker are addresses.
fn token(place: u32) -> Token {
    Token::new(u64::from(place) << 1 | 1)
}

/// The place of a lookout, if the token is of one.
#[inline]
pub(in crate::sched) fn place(token: Token) -> Option<u32> {
    let raw = token.get();
    (raw & 1 == 1).then_some((raw >> 1) as u32)
}

impl Table {
    /// Begins to look out.
    pub(super) fn keep(&mut self, kept: Arc<Kept>, driver: &mut Driver, timers: &mut Timers<Alarm>) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer lookouts than could be held in memory")
        });
        kept.place.store(place, Relaxed);
        let timer = match kept.sight {
            Sight::Ready { fd, events } => {
                // SAFETY: a poll names no memory. The place is free, so no operation in flight has this token.
                unsafe { driver.submit(&Operation::Poll { fd, events: events as u32 }, token(place)) };
                None
            }
            Sight::Time(deadline) => Some(timers.insert(deadline, Alarm::Lookout(place))),
        };
        self.entries[place as usize] = Some(Entry { kept, timer });
    }

    /// Looks out no longer. Does nothing if this one has ended, or was kept by somebody else at the same address.
    pub(super) fn let_go(&mut self, kept: &Arc<Kept>, driver: &mut Driver, timers: &mut Timers<Alarm>) {
        let place = kept.place.load(Relaxed);
        let Some(Some(entry)) = self.entries.get(place as usize) else {
            return;
        };
        if !Arc::ptr_eq(&entry.kept, kept) {
            return;
        }
        match entry.timer {
            Some(key) => {
                timers.cancel(key);
                self.remove(place);
            }
            // Removed when the driver hands it out.
            None => driver.cancel(token(place)),
        }
    }

    /// Notes that the operation or timer of this place is over.
    pub(in crate::sched) fn happened(&mut self, place: u32, result: i32) {
        let kept = self.remove(place);
        self.ended.push_back((kept, result));
    }

    /// Whether something has ended that was not told yet.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Whether there is nothing to look out for, and nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len() && self.ended.is_empty()
    }

    pub(super) fn next_ended(&mut self) -> Option<(Arc<Kept>, i32)> {
        self.ended.pop_front()
    }

    /// Everything, at the keeper's end.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Kept>> {
        let ended = self.ended.drain(..).map(|(kept, _)| kept);
        let all = ended.chain(self.entries.drain(..).flatten().map(|entry| entry.kept)).collect();
        self.free.clear();
        all
    }

    fn remove(&mut self, place: u32) -> Arc<Kept> {
        let entry = self.entries[place as usize].take().expect("a lookout ends once");
        self.free.push(place);
        entry.kept
    }
}
