//! Since when the fibers of a ready queue wait, without a date for each.

use super::NORMAL;
use crate::sched::ready::ReadyQueue;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Fibers that became ready within this time of each other may be taken to have done so at once. A sixteenth of the allowance: it bounds
/// how many dates a long queue has.
const RESOLUTION: u64 = NORMAL.as_nanos() as u64 / 16;

/// What a worker notes once a turn about its ready queue.
#[derive(Default)]
pub(in crate::sched) struct Dates(RefCell<VecDeque<Date>>);

/// The fibers of the queue before the position `end`, and not before the previous date's, became ready `at`.
struct Date {
    end: usize,
    at: u64,
}

impl Dates {
    /// The clock is about to go on from `at`.
    #[inline]
    pub(in crate::sched) fn note(&self, queue: &ReadyQueue, at: u64) {
        let mut dates = self.0.borrow_mut();
        if queue.is_empty() {
            dates.clear();
            return;
        }
        let end = queue.tail();
        drop_ended(&mut dates, queue.head());
        match dates.back_mut() {
            // Taken to be older than they are, by less than the resolution.
            Some(last) if last.end == end || at - last.at < RESOLUTION => last.end = end,
            _ => dates.push_back(Date { end, at }),
        }
    }

    /// When the fiber at the head became ready, if it did before the clock last went on.
    pub(in crate::sched) fn of_head(&self, queue: &ReadyQueue) -> Option<u64> {
        let mut dates = self.0.borrow_mut();
        drop_ended(&mut dates, queue.head());
        dates.front().map(|date| date.at)
    }
}

fn drop_ended(dates: &mut VecDeque<Date>, head: usize) {
    // Positions wrap.
    while dates.front().is_some_and(|date| date.end.wrapping_sub(head).cast_signed() <= 0) {
        dates.pop_front();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::fiber::slot::SlotSlab;

    #[test]
    fn the_head_has_the_time_of_its_turn() {
        let slab = Box::leak(Box::new(SlotSlab::new()));
        let mut free = Vec::new();
        slab.grow(&mut free);
        // SAFETY: the slab is leaked.
        let slot = unsafe { free[0].0.as_ref() };
        let (queue, dates) = (ReadyQueue::new(), Dates::default());
        let push = |count: usize| (0..count).for_each(|_| queue.push(slot));
        let pop = |count: usize| (0..count).for_each(|_| assert!(queue.pop().is_some()));
        let turn = |number: u64| number * RESOLUTION;
        push(300);
        assert_eq!(dates.of_head(&queue), None, "of this turn");
        dates.note(&queue, turn(1));
        push(500);
        dates.note(&queue, turn(2));
        dates.note(&queue, turn(3));
        push(1);
        assert_eq!(dates.of_head(&queue), Some(turn(1)));
        pop(299);
        assert_eq!(dates.of_head(&queue), Some(turn(1)));
        pop(1);
        assert_eq!(dates.of_head(&queue), Some(turn(2)));
        dates.note(&queue, turn(4));
        pop(500);
        assert_eq!(dates.of_head(&queue), Some(turn(4)), "nothing came in the third turn");
        pop(1);
        assert_eq!(dates.of_head(&queue), None);
        push(1);
        dates.note(&queue, turn(5));
        push(1);
        dates.note(&queue, turn(5) + RESOLUTION / 2);
        pop(1);
        assert_eq!(dates.of_head(&queue), Some(turn(5)), "they are taken together");
    }

    #[test]
    fn a_long_wait_has_few_dates() {
        let slab = Box::leak(Box::new(SlotSlab::new()));
        let mut free = Vec::new();
        slab.grow(&mut free);
        // SAFETY: the slab is leaked.
        let slot = unsafe { free[0].0.as_ref() };
        let (queue, dates) = (ReadyQueue::new(), Dates::default());
        for turn in 0..10_000 {
            queue.push(slot);
            dates.note(&queue, turn * RESOLUTION / 100);
        }
        assert_eq!(dates.0.borrow().len(), 100);
    }
}
