//! Which workers sleep, and how many look for work: so that fresh work wakes one worker and not all of them.
//!
//! As in Go (`runtime/proc.go`, "Worker thread parking/unparking") and Tokio: whoever publishes fresh work wakes a worker only if
//! one sleeps and none searches. A worker that was woken counts as searching from that moment on; when the last searcher
//! finds something it wakes the next, so a burst wakes workers one by one. A worker that gives up searching looks once more
//! at everything *after* it has said so (`Worker::park`), which closes the gap between a publisher that saw it searching
//! and its own last look. What it finds then, it does not keep to itself: several may have published meanwhile, so the last
//! searcher wakes a worker, as if it published the work itself.
//!
//! Workers are counted in groups, one for each NUMA node, because there is work that only the workers of a node may take. For such
//! work the protocol is the one above within the group: the searchers of others do not help. Work that anybody may take is left to a
//! searcher of the publisher's own group if there is one; otherwise a sleeper is woken, of the own group while there are any, then of the
//! nearest in which nobody searches. So a burst wakes near workers one by one, and when all of them are busy those of each other
//! group one by one. A publisher that wakes nobody either saw that nobody sleeps, or relied on a searcher of a certain group. So the
//! last searcher *of its group* looks once more and wakes the next, and no group has to know of the others'.
//!
//! Rejected: one searcher at a time over all groups. Simulated (`benches/steal.rs`), a burst on 64 workers left many asleep: there was always
//! one that searched, just not where the work was.

use crate::sys::sync::atomic::Ordering::SeqCst;
use crate::sys::sync::{AtomicUsize, Mutex, fence};

/// Counts of one runtime's workers.
pub(crate) struct Idle {
    groups: Box<[Group]>,
    /// For each worker its group.
    group_of: Box<[usize]>,
    /// Of each group.
    sleepers: Mutex<Box<[Vec<usize>]>>,
}

/// Counts of the workers of one node.
#[repr(align(128))]
struct Group {
    workers: usize,
    /// Workers searching, in the low half; workers awake, in the high half.
    counts: AtomicUsize,
}

const AWAKE: usize = 1 << (usize::BITS / 2);
const SEARCHING: usize = 1;
const SEARCHING_MASK: usize = AWAKE - 1;

impl Idle {
    /// All workers awake, none searching. `group_of` has for each worker its group; no group is empty.
    pub(crate) fn new(group_of: &[usize]) -> Idle {
        let groups = group_of.iter().max().map_or(0, |last| last + 1);
        let group = |group: usize| {
            let workers = group_of.iter().filter(|&&of| of == group).count();
            Group { workers, counts: AtomicUsize::new(workers * AWAKE) }
        };
        let groups: Box<[Group]> = (0..groups).map(group).collect();
        let sleepers = groups.iter().map(|group| Vec::with_capacity(group.workers)).collect();
        Idle { groups, group_of: group_of.into(), sleepers: Mutex::new(sleepers) }
    }

    /// The worker to wake for work that was just published and that anybody may take, if any. `order` has all groups, the nearest
    /// first. The worker counts as awake and searching already.
    pub(crate) fn worker_to_wake(&self, order: &[usize]) -> Option<usize> {
        fence(SeqCst);
        self.group_to_wake(order)?;
        let mut sleepers = self.lock();
        // Again, under the lock: two publishers at once wake one worker.
        let group = self.group_to_wake(order)?;
        let worker = sleepers[group].pop()?;
        self.groups[group].counts.fetch_add(AWAKE + SEARCHING, SeqCst);
        Some(worker)
    }

    /// The worker to wake for work that was just published and that only this group may take, if any. It counts as awake and
    /// searching already.
    pub(crate) fn worker_to_wake_on(&self, group: usize) -> Option<usize> {
        self.worker_to_wake(&[group])
    }

    /// Whether no worker is awake.
    pub(crate) fn all_asleep(&self) -> bool {
        self.groups.iter().all(|group| group.counts.load(SeqCst) / AWAKE == 0)
    }

    /// The first group, or the nearest of the others, that has a sleeper and no searcher. None if somebody of the first searches.
    fn group_to_wake(&self, order: &[usize]) -> Option<usize> {
        for (place, &group) in order.iter().enumerate() {
            let Group { workers, counts } = &self.groups[group];
            let counts = counts.load(SeqCst);
            match (counts & SEARCHING_MASK, counts / AWAKE < *workers) {
                (0, true) => return Some(group),
                (0, false) => (),
                _ if place == 0 => return None,
                _ => (),
            }
        }
        None
    }

    /// A worker goes to sleep. `true` if it was the last searcher of its group.
    pub(crate) fn fall_asleep(&self, worker: usize, searching: bool) -> bool {
        let group = self.group_of[worker];
        let mut sleepers = self.lock();
        let change = AWAKE + if searching { SEARCHING } else { 0 };
        let before = self.groups[group].counts.fetch_sub(change, SeqCst);
        sleepers[group].push(worker);
        searching && before & SEARCHING_MASK == 1
    }

    /// A worker wakes. `true` if somebody chose it to search, and so it counts as searching.
    pub(crate) fn wake_up(&self, worker: usize) -> bool {
        let group = self.group_of[worker];
        let mut sleepers = self.lock();
        match sleepers[group].iter().position(|&sleeper| sleeper == worker) {
            Some(index) => {
                sleepers[group].swap_remove(index);
                self.groups[group].counts.fetch_add(AWAKE, SeqCst);
                false
            }
            None => true,
        }
    }

    /// Whether a worker of this group without work may search: at most half of them at once.
    pub(crate) fn start_searching(&self, group: usize) -> bool {
        let Group { workers, counts } = &self.groups[group];
        if 2 * (counts.load(SeqCst) & SEARCHING_MASK) >= *workers {
            return false;
        }
        counts.fetch_add(SEARCHING, SeqCst);
        true
    }

    /// A searcher of this group found work. `true` if it was the last one: then the next is to be woken.
    pub(crate) fn stop_searching(&self, group: usize) -> bool {
        self.groups[group].counts.fetch_sub(SEARCHING, SeqCst) & SEARCHING_MASK == 1
    }

    #[cfg(not(loom))]
    fn lock(&self) -> std::sync::MutexGuard<'_, Box<[Vec<usize>]>> {
        self.sleepers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(loom)]
    fn lock(&self) -> loom::sync::MutexGuard<'_, Box<[Vec<usize>]>> {
        self.sleepers.lock().unwrap()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_searcher_at_a_time() {
        let idle = Idle::new(&[0; 3]);
        assert_eq!(idle.worker_to_wake(&[0]), None, "nobody sleeps");
        idle.fall_asleep(1, false);
        idle.fall_asleep(2, false);
        assert_eq!(idle.worker_to_wake(&[0]), Some(2));
        assert_eq!(idle.worker_to_wake(&[0]), None, "worker 2 searches");
        assert!(idle.wake_up(2), "it was chosen");
        assert!(idle.stop_searching(0), "it was the last searcher");
        assert_eq!(idle.worker_to_wake(&[0]), Some(1));
    }

    #[test]
    fn a_worker_that_wakes_by_itself_does_not_search() {
        let idle = Idle::new(&[0; 2]);
        idle.fall_asleep(0, false);
        assert!(!idle.wake_up(0));
        assert_eq!(idle.worker_to_wake(&[0]), None);
    }

    #[test]
    fn the_nearest_sleeper_is_woken() {
        let idle = Idle::new(&[0, 0, 1, 1]);
        for worker in 0..4 {
            idle.fall_asleep(worker, false);
        }
        assert_eq!(idle.worker_to_wake(&[1, 0]), Some(3));
        assert_eq!(idle.worker_to_wake(&[1, 0]), None, "worker 3 searches");
        assert!(idle.wake_up(3));
        assert!(idle.stop_searching(1));
        assert_eq!([(); 2].map(|()| idle.worker_to_wake_on(1)), [Some(2), None]);
        assert!(idle.stop_searching(1));
        assert_eq!(idle.worker_to_wake_on(1), None);
        assert_eq!(idle.worker_to_wake(&[1, 0]), Some(1), "nobody of group 1 sleeps any more");
        assert_eq!(idle.worker_to_wake(&[1, 0]), None, "worker 1 searches, and finds what anybody may take");
        assert!(idle.stop_searching(0));
        assert_eq!(idle.worker_to_wake(&[1, 0]), Some(0));
    }

    #[test]
    fn searchers_of_other_groups_do_not_help_with_bound_work() {
        let idle = Idle::new(&[0, 1]);
        idle.fall_asleep(1, false);
        assert!(idle.start_searching(0));
        assert_eq!(idle.worker_to_wake(&[0, 1]), None, "worker 0 is nearer and searches");
        assert_eq!(idle.worker_to_wake_on(1), Some(1));
        assert!(idle.stop_searching(0), "of its group");
        assert!(idle.stop_searching(1));
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::Ordering::Relaxed;
    use loom::thread;

    /// Work published while the last searcher gives up: either the publisher is told to wake it, or it sees the work in its
    /// last look.
    #[test]
    fn loom_idle_work_is_not_left_when_the_last_searcher_sleeps() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(&[0; 2]));
            let queue = Arc::new(AtomicUsize::new(0));
            assert!(idle.start_searching(0));
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    queue.store(1, Relaxed);
                    idle.worker_to_wake(&[0])
                })
            };
            idle.fall_asleep(0, true);
            fence(SeqCst);
            let seen = queue.load(Relaxed) == 1;
            let woken = publisher.join().unwrap();
            assert!(seen || woken == Some(0), "the work is neither seen nor announced");
        });
    }

    /// The same for work that only the searcher's group may take, and while a searcher of another group comes and goes.
    #[test]
    fn loom_idle_bound_work_is_not_left_to_other_groups() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(&[0, 1]));
            let queue = Arc::new(AtomicUsize::new(0));
            assert!(idle.start_searching(0));
            assert!(idle.start_searching(1));
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    queue.store(1, Relaxed);
                    idle.worker_to_wake_on(0)
                })
            };
            let other = {
                let idle = idle.clone();
                thread::spawn(move || idle.stop_searching(1))
            };
            idle.fall_asleep(0, true);
            fence(SeqCst);
            let seen = queue.load(Relaxed) == 1;
            let woken = publisher.join().unwrap();
            other.join().unwrap();
            assert!(seen || woken == Some(0), "the work is neither seen nor announced");
        });
    }

    /// Two pieces of work published while the last searcher gives up, which then takes one of them and is busy for ever: the
    /// other worker is woken for the rest.
    #[test]
    fn loom_idle_the_last_searcher_does_not_keep_work_to_itself() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(&[0; 2]));
            let queue = Arc::new(AtomicUsize::new(0));
            idle.fall_asleep(1, false);
            assert!(idle.start_searching(0));
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    let publish = || {
                        queue.fetch_add(1, Relaxed);
                        idle.worker_to_wake(&[0])
                    };
                    [publish(), publish()]
                })
            };
            let mut woken = Vec::new();
            let last = idle.fall_asleep(0, true);
            fence(SeqCst);
            let mut awake = queue.load(Relaxed) > 0;
            if awake && last {
                woken.extend(idle.worker_to_wake(&[0]));
            }
            let mut chosen = false;
            if awake {
                chosen = idle.wake_up(0);
            }
            let published = publisher.join().unwrap();
            woken.extend(published.into_iter().flatten());
            if !awake && woken.contains(&0) {
                awake = true;
                chosen = idle.wake_up(0);
            }
            let mut left = queue.load(Relaxed);
            if awake && left > 0 {
                left -= 1;
                if chosen && idle.stop_searching(0) && left > 0 {
                    woken.extend(idle.worker_to_wake(&[0]));
                }
            }
            assert!(left == 0 || woken.contains(&1), "{left} left, woken: {woken:?}");
        });
    }

    /// Searchers of two groups find something at once, and a third piece of work was published while they searched: one of them
    /// wakes the worker that sleeps.
    #[test]
    fn loom_idle_two_last_searchers_of_two_groups_do_not_rely_on_each_other() {
        // Without a bound it passes as well, in minutes.
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let idle = Arc::new(Idle::new(&[0, 1, 1]));
            let queue = Arc::new(AtomicUsize::new(0));
            idle.fall_asleep(2, false);
            assert!(idle.start_searching(0));
            assert!(idle.start_searching(1));
            let end = |group: usize| {
                let (idle, queue) = (idle.clone(), queue.clone());
                move || {
                    if !idle.stop_searching(group) {
                        return None;
                    }
                    fence(SeqCst);
                    if queue.load(Relaxed) == 0 { None } else { idle.worker_to_wake(&[group, 1 - group]) }
                }
            };
            let other = thread::spawn(end(1));
            let publisher = {
                let (idle, queue) = (idle.clone(), queue.clone());
                thread::spawn(move || {
                    queue.store(1, Relaxed);
                    idle.worker_to_wake(&[0, 1])
                })
            };
            let woken = [end(0)(), other.join().unwrap(), publisher.join().unwrap()];
            let times = woken.iter().filter(|&&worker| worker == Some(2)).count();
            assert_eq!(times, 1, "{woken:?}");
        });
    }
}
