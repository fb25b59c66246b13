//! The wheel against a model that is slow and obviously right, and its own invariant after every kind of step.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// As likely to be small as to be astronomical.
    fn magnitude(&mut self, bits: u64) -> u64 {
        let width = self.below(bits) + 1;
        self.next() >> (64 - width)
    }
}

/// What the module documentation promises, with sorted sets.
struct Model {
    now: u64,
    sequence: u64,
    /// By tick and insertion: the deadline and the payload.
    order: BTreeMap<(u64, u64), (u64, u32)>,
    by_deadline: BTreeSet<(u64, u64)>,
    never: BTreeSet<u64>,
}

impl Model {
    fn new(now: u64) -> Self {
        Model { now, sequence: 0, order: BTreeMap::new(), by_deadline: BTreeSet::new(), never: BTreeSet::new() }
    }

    /// Returns what `cancel` takes.
    fn insert(&mut self, deadline: u64, payload: u32) -> (u64, u64) {
        let deadline = deadline.max(self.now);
        self.sequence += 1;
        if deadline == NEVER {
            self.never.insert(self.sequence);
        } else {
            self.order.insert((deadline >> TICK_SHIFT, self.sequence), (deadline, payload));
            self.by_deadline.insert((deadline, self.sequence));
        }
        (deadline, self.sequence)
    }

    fn cancel(&mut self, (deadline, sequence): (u64, u64)) -> bool {
        self.never.remove(&sequence)
            || self.by_deadline.remove(&(deadline, sequence))
                && self.order.remove(&(deadline >> TICK_SHIFT, sequence)).is_some()
    }

    fn expire(&mut self, now: u64) -> Vec<u32> {
        self.now = self.now.max(now).min(NEVER - 1);
        let candidates = self.order.range(..=(self.now >> TICK_SHIFT, u64::MAX));
        let due: Vec<_> =
            candidates.filter(|(_, timer)| timer.0 <= self.now).map(|(&key, &timer)| (key, timer)).collect();
        for (key, timer) in &due {
            self.order.remove(key);
            self.by_deadline.remove(&(timer.0, key.1));
        }
        due.into_iter().map(|(_, timer)| timer.1).collect()
    }

    fn next_deadline(&self) -> Option<u64> {
        self.by_deadline.first().map(|first| first.0)
    }

    fn len(&self) -> usize {
        self.order.len() + self.never.len()
    }
}

fn expire<T: Copy>(timers: &mut Timers<T>, now: u64) -> Vec<T> {
    let mut fired = Vec::new();
    timers.expire(now, |payload| fired.push(payload));
    fired
}

/// Every list is linked both ways, stands where the invariant wants it, and is announced by its bits; nothing is lost.
fn check<T: Copy>(timers: &Timers<T>) {
    let mut linked = 0;
    for (l, level) in timers.levels.iter().enumerate() {
        assert_eq!(level.occupied != 0, timers.occupied_levels & (1 << l) != 0, "level {l}");
        for (s, slot) in level.slots.iter().enumerate() {
            if level.occupied & (1 << s) == 0 {
                continue;
            }
            let (mut index, mut before) = (slot.head, NIL);
            assert_ne!(index, NIL, "an occupied slot is not empty");
            while index != NIL {
                let entry = &timers.entries[index as usize];
                assert_eq!(entry.prev, before);
                let generation = timers.loads[index as usize].generation;
                assert_eq!(generation % 2, 1, "a linked entry is not free");
                assert_eq!(timers.place(entry.deadline), (l, s));
                assert!(slot.earliest <= entry.deadline);
                linked += 1;
                (before, index) = (index, entry.next);
            }
            assert_eq!(slot.tail, before);
        }
    }
    let never = timers
        .entries
        .iter()
        .zip(&timers.loads)
        .filter(|(entry, load)| load.generation % 2 == 1 && entry.deadline == NEVER)
        .count();
    assert_eq!(linked + never, timers.len());
    let mut free = 0;
    let mut index = timers.free;
    while index != NIL {
        free += 1;
        index = timers.entries[index as usize].next;
    }
    assert_eq!(free + timers.len(), timers.entries.len(), "an entry is free or holds a timer");
}

/// One random history: inserts, cancels (also of what is gone), and jumps, all of every magnitude up to `bits`.
fn history(seed: u64, steps: u32, bits: u64, cancels: bool) {
    let mut random = Random(seed);
    let mut now = if random.below(2) == 0 { 0 } else { random.magnitude(63) };
    let mut timers = Timers::new(now);
    let mut model = Model::new(now);
    let mut keys = Vec::new();
    for step in 0..steps {
        match random.below(if cancels { 8 } else { 5 }) {
            0..3 => {
                let deadline = match random.below(16) {
                    0 => now.saturating_sub(random.magnitude(bits)),
                    1 => now,
                    2 => NEVER,
                    3 => NEVER - random.magnitude(bits),
                    // Many of one instant, to fill slots beyond the scan.
                    4..8 => (now | 0xf_ffff).saturating_add(1),
                    _ => now.saturating_add(random.magnitude(bits)),
                };
                keys.push((timers.insert(deadline, step), model.insert(deadline, step), step));
            }
            3 => {
                now = now.saturating_add(random.magnitude(bits) / 4);
                assert_eq!(expire(&mut timers, now), model.expire(now), "seed {seed}, step {step}, time {now}");
            }
            // Exactly to the next deadline, one nanosecond short of it first.
            4 => {
                let Some(next) = model.next_deadline() else {
                    continue;
                };
                if next > now {
                    assert_eq!(expire(&mut timers, next - 1), [], "seed {seed}: early");
                    assert_eq!(model.expire(next - 1), []);
                }
                now = next;
                let fired = expire(&mut timers, now);
                assert!(!fired.is_empty(), "seed {seed}: late");
                assert_eq!(fired, model.expire(now), "seed {seed}, step {step}, time {now}");
            }
            _ => {
                if keys.is_empty() {
                    continue;
                }
                let chosen = random.below(keys.len() as u64) as usize;
                let (key, in_model, payload) = keys[chosen];
                let expected = model.cancel(in_model).then_some(payload);
                assert_eq!(timers.cancel(key), expected, "seed {seed}, step {step}");
            }
        }
        assert_eq!(timers.len(), model.len());
        assert_eq!(timers.is_empty(), model.len() == 0);
        let (ours, earliest) = (timers.next_deadline(), model.next_deadline());
        if cancels {
            assert_eq!(ours.is_some(), earliest.is_some());
            assert!(ours <= earliest, "seed {seed}, step {step}: {ours:?} is later than {earliest:?}");
        } else {
            assert_eq!(ours, earliest, "seed {seed}, step {step}");
        }
        if step % 64 == 0 {
            check(&timers);
        }
    }
    check(&timers);
    assert_eq!(expire(&mut timers, NEVER), model.expire(NEVER), "seed {seed}: the end of time");
    assert_eq!(timers.len(), model.never.len());
}

#[test]
fn random_histories_equal_the_model() {
    for seed in 0..400 {
        history(seed, 400, 12 + seed % 52, false);
        history(seed, 400, 12 + seed % 52, true);
    }
}

#[test]
fn long_histories_equal_the_model() {
    for seed in 1000..1004 {
        history(seed, 20_000, 30, seed % 2 == 0);
    }
}

/// Deadlines around every boundary of the wheel, from times around every boundary: never early, never late.
#[test]
fn fires_at_its_deadline_and_not_a_nanosecond_before() {
    let edges: Vec<u64> = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]).collect();
    for &start in &edges {
        for deadline in
            edges.iter().map(|edge| start.saturating_add(*edge)).filter(|&deadline| (1..NEVER).contains(&deadline))
        {
            let mut timers = Timers::new(start);
            timers.insert(deadline, ());
            assert_eq!(timers.next_deadline(), Some(deadline));
            assert_eq!(expire(&mut timers, deadline - 1).len(), usize::from(deadline == start));
            assert_eq!(expire(&mut timers, deadline).len(), usize::from(deadline != start));
            assert!(timers.is_empty() && timers.next_deadline().is_none());
        }
    }
}

/// An idle worker that sleeps until `next_deadline` wakes once per distinct deadline: never merely to cascade.
#[test]
fn a_hundred_thousand_timers_wake_a_sleeper_only_when_due() {
    let mut random = Random(7);
    let mut timers = Timers::new(123_456_789);
    let mut deadlines = BTreeSet::new();
    for _ in 0..100_000 {
        let deadline = 123_456_789 + random.magnitude(36);
        deadlines.insert(deadline);
        timers.insert(deadline, deadline);
    }
    check(&timers);
    for deadline in deadlines {
        assert_eq!(timers.next_deadline(), Some(deadline));
        let fired = expire(&mut timers, deadline);
        assert!(!fired.is_empty() && fired.iter().all(|&other| other == deadline));
    }
    assert!(timers.is_empty());
}

/// Nearly every timeout is cancelled. What is left fires, and a sleeper is woken in vain at most once per level for each.
#[test]
fn a_storm_of_cancels_leaves_the_rest() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut timers = Timers::new(0);
        let mut keys: Vec<_> = (0..100_000u64)
            .map(|payload| {
                let deadline = random.magnitude(34);
                (timers.insert(deadline, payload), deadline, payload)
            })
            .collect();
        for i in (1..keys.len()).rev() {
            keys.swap(i, random.below(i as u64 + 1) as usize);
        }
        let left = keys.split_off(99_000);
        for &(key, _, payload) in &keys {
            assert_eq!(timers.cancel(key), Some(payload));
        }
        check(&timers);
        let mut fired = 0;
        let mut wakes = 0;
        while let Some(next) = timers.next_deadline() {
            wakes += 1;
            timers.expire(next, |_| fired += 1);
        }
        assert_eq!(fired, left.len());
        assert!(wakes <= left.len() * (LEVELS + 1), "{wakes} wakes for {} timers", left.len());
        for &(key, ..) in keys.iter().chain(&left) {
            assert_eq!(timers.cancel(key), None);
        }
    }
}

#[test]
fn an_old_key_names_nothing() {
    let mut timers = Timers::new(0);
    let first = timers.insert(10, 'a');
    assert_eq!(timers.cancel(first), Some('a'));
    let second = timers.insert(20, 'b');
    assert_eq!(second.index, first.index, "the entry is used again");
    assert_eq!(timers.cancel(first), None);
    assert_eq!(expire(&mut timers, 20), ['b']);
    timers.insert(30, 'c');
    assert_eq!(timers.cancel(second), None);
    assert_eq!(timers.len(), 1);
    assert_eq!(size_of::<TimerKey>(), 8);
    assert_eq!(size_of::<Option<TimerKey>>(), 8);
}

#[test]
fn one_tick_fires_in_order_of_insertion_and_ticks_in_order() {
    let mut timers = Timers::new(0);
    // The first goes to a high level and has to come down before the last is put beside it.
    let tick = 5 << 30;
    timers.insert(tick + 900, 1);
    timers.insert(tick + 2000, 4);
    timers.insert(tick + 100, 2);
    assert_eq!(expire(&mut timers, tick - 1), []);
    timers.insert(tick + 500, 3);
    assert_eq!(expire(&mut timers, tick + 3000), [1, 2, 3, 4]);
    // Within the current tick only what is due, and the rest keeps its order.
    let now = tick + 4096;
    timers.expire(now, |_| ());
    for payload in [900, 100, 950, 200] {
        timers.insert(now + payload, payload as i32);
    }
    assert_eq!(expire(&mut timers, now + 200), [100, 200]);
    assert_eq!(timers.next_deadline(), Some(now + 900));
    assert_eq!(expire(&mut timers, now + 1023), [900, 950]);
}

#[test]
fn a_past_deadline_fires_at_the_next_expire() {
    let mut timers = Timers::new(1 << 40);
    timers.insert(3, 'a');
    timers.insert(0, 'b');
    assert_eq!(timers.next_deadline(), Some(1 << 40));
    // A clock that went back does not hold them up.
    assert_eq!(expire(&mut timers, 5), ['a', 'b']);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn never_is_counted_and_cancelled_but_does_not_fire() {
    let mut timers = Timers::new(u64::MAX);
    let key = timers.insert(NEVER, 'n');
    timers.insert(NEVER - 1, 'l');
    assert_eq!((timers.len(), timers.next_deadline()), (2, Some(NEVER - 1)));
    assert_eq!(expire(&mut timers, u64::MAX), ['l']);
    assert_eq!((timers.len(), timers.next_deadline()), (1, None));
    timers.insert(17, 'p');
    assert_eq!(expire(&mut timers, u64::MAX), ['p'], "time goes on at its end");
    assert_eq!(timers.cancel(key), Some('n'));
    assert!(timers.is_empty());
    check(&timers);
}

/// Stepping through 10^16 ticks would not come back.
#[test]
fn centuries_pass_in_one_step() {
    let mut timers = Timers::new(0);
    const CENTURY: u64 = 100 * 365 * 86_400 * 1_000_000_000;
    for century in (1..=5).rev() {
        timers.insert(century * CENTURY, century);
    }
    assert_eq!(timers.next_deadline(), Some(CENTURY));
    assert_eq!(expire(&mut timers, CENTURY), [1]);
    assert_eq!(expire(&mut timers, 5 * CENTURY), [2, 3, 4, 5]);
}

#[test]
fn the_rest_survives_a_panic_in_fire() {
    // In a whole tick, and in the current one.
    for now in [1 << 20, 1023] {
        let mut timers = Timers::new(0);
        for payload in 0..100 {
            timers.insert(payload * 10, payload);
        }
        let mut fired = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            timers.expire(now, |payload| {
                fired.push(payload);
                assert_ne!(payload, 42);
            });
        }));
        assert!(panicked.is_err());
        check(&timers);
        timers.expire(now, |payload| fired.push(payload));
        assert_eq!(fired, Vec::from_iter(0..100));
    }
}
