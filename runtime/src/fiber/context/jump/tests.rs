//! Handing over. What both engines do is tested in the module above.

use crate::fiber::context::tests::registers::differing;
use crate::fiber::context::tests::{Flow, cache, first_resumer, inside_the_flow, resume_from, second_resumer};
use crate::fiber::stack::StackCache;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

impl Flow {
    /// Switches from this flow, which runs, to another one.
    #[inline(always)]
    fn hand_over(&self, next: &Flow) {
        // SAFETY: each test says which flow runs; the other one is suspended or new.
        unsafe { (*self.place.get()).hand_over(&*next.place.get()) };
    }
}

/// Flows that know each other by number. They stay where they are: leaked, which is simpler than to say when the last of them was left.
#[derive(Clone, Default)]
struct Flows(Rc<RefCell<Vec<&'static Flow>>>);

impl Flows {
    fn add(&self, cache: &mut StackCache, body: impl FnOnce(&Flow, &Flows) + 'static) {
        let others = self.clone();
        let flow = Flow::new(cache, move |flow| body(flow, &others));
        self.0.borrow_mut().push(Box::leak(flow));
    }

    fn get(&self, index: usize) -> &'static Flow {
        self.0.borrow()[index]
    }

    /// Switches from the flow that runs to the one with this number.
    fn hand_over(&self, running: &Flow, next: usize) {
        running.hand_over(self.get(next));
    }

    /// Gives the stacks of flows back that have ended.
    fn take_down(&self, cache: &mut StackCache) {
        self.0.borrow_mut().drain(..).for_each(|flow| cache.give(flow.take_stack()));
    }
}

#[test]
fn whoever_resumed_the_first_goes_on_after_the_last() {
    let (mut cache, flows) = (cache(), Flows::default());
    let steps = Rc::new(RefCell::new(Vec::new()));
    let (inside, within) = (steps.clone(), steps.clone());
    flows.add(&mut cache, move |this, flows| {
        inside.borrow_mut().push("first, to one that is new");
        flows.hand_over(this, 1);
        inside.borrow_mut().push("first, to one that suspended");
        flows.hand_over(this, 1);
        inside.borrow_mut().push("first, to one that handed over");
        flows.hand_over(this, 1);
        inside.borrow_mut().push("first, at its end");
    });
    flows.add(&mut cache, move |this, flows| {
        within.borrow_mut().push("second, suspends");
        this.suspend();
        within.borrow_mut().push("second, to one that was resumed");
        flows.hand_over(this, 0);
        within.borrow_mut().push("second, at its end");
    });
    let first = flows.get(0);
    assert!(!first.resume(), "the second suspended");
    assert!(first.resume(), "the second ended");
    assert!(first.resume(), "the first ended");
    assert_eq!(
        *steps.borrow(),
        [
            "first, to one that is new",
            "second, suspends",
            "first, to one that suspended",
            "second, to one that was resumed",
            "first, to one that handed over",
            "second, at its end",
            "first, at its end",
        ]
    );
    flows.take_down(&mut cache);
}

#[test]
fn a_flow_that_is_handed_to_itself_goes_on() {
    let (mut cache, flows) = (cache(), Flows::default());
    flows.add(&mut cache, |this, flows| {
        // New, suspended elsewhere before, and handed to itself before.
        flows.hand_over(this, 0);
        this.suspend();
        (0..3).for_each(|_| this.hand_over(flows.get(0)));
    });
    let flow = flows.get(0);
    assert!(!flow.resume());
    assert!(flow.resume());
    flows.take_down(&mut cache);
}

#[inline(never)]
fn descend(flows: &Flows, this: &Flow, next: usize, depth: u64) -> u64 {
    let frame = black_box([depth; 5]);
    if depth.is_multiple_of(7) {
        flows.hand_over(this, next);
    }
    let below = if depth == 0 { 0 } else { descend(flows, this, next, depth - 1) };
    below + frame[usize::from(depth != 0)]
}

#[test]
fn flows_in_a_ring_keep_their_frames_whoever_resumes_from_wherever() {
    const FLOWS: usize = 20;
    let (mut cache, flows) = (cache(), Flows::default());
    let ended = Rc::new(Cell::new(0));
    for index in 0..FLOWS {
        let ended = ended.clone();
        flows.add(&mut cache, move |this, flows| {
            let depth = 70 + index as u64 % 5;
            assert_eq!(descend(flows, this, (index + 1) % FLOWS, depth), depth * (depth + 1) / 2);
            ended.set(ended.get() + 1);
        });
    }
    // Each of these ends one: the first round goes around until the first of them is through, and so on.
    for (depth, count) in [3, 100, 7, 7, 0].into_iter().cycle().zip(1..=FLOWS) {
        let next = flows.get(count - 1);
        assert!(resume_from(next, depth));
        assert_eq!(ended.get(), count);
    }
    flows.take_down(&mut cache);
}

#[test]
fn a_backtrace_goes_on_with_whoever_resumed_the_first() {
    let (mut cache, flows) = (cache(), Flows::default());
    let traces = Rc::new(RefCell::new(Vec::new()));
    let inside = traces.clone();
    flows.add(&mut cache, |this, flows| (0..4).for_each(|_| flows.hand_over(this, 1)));
    flows.add(&mut cache, move |this, _| {
        for _ in 0..4 {
            inside.borrow_mut().push(inside_the_flow());
            this.suspend();
        }
    });
    let (first, second) = (flows.get(0), flows.get(1));
    for _ in 0..2 {
        assert!(!first_resumer(first));
        assert!(!second_resumer(first));
    }
    assert!(second.resume() && first.resume());
    for (index, trace) in traces.borrow().iter().enumerate() {
        let expected = ["first_resumer", "second_resumer"];
        let (resumer, other) = (expected[index % 2], expected[(index + 1) % 2]);
        let position = |name: &str| trace.find(name).unwrap_or_else(|| panic!("{name} is not in\n{trace}"));
        assert!(position("inside_the_flow") < position(resumer), "{trace}");
        assert!(!trace.contains(other), "{trace}");
    }
    flows.take_down(&mut cache);
}

#[test]
fn a_panic_after_a_hand_over_ends_where_it_is_caught() {
    let (mut cache, flows) = (cache(), Flows::default());
    flows.add(&mut cache, |this, flows| {
        let failed = catch_unwind(AssertUnwindSafe(|| {
            flows.hand_over(this, 1);
            std::panic::resume_unwind(Box::new("first"));
        }));
        assert_eq!(*failed.unwrap_err().downcast::<&str>().unwrap(), "first");
        flows.hand_over(this, 1);
    });
    flows.add(&mut cache, |this, flows| {
        let failed = catch_unwind(AssertUnwindSafe(|| {
            flows.hand_over(this, 0);
            std::panic::resume_unwind(Box::new("second"));
        }));
        assert_eq!(*failed.unwrap_err().downcast::<&str>().unwrap(), "second");
    });
    let first = flows.get(0);
    assert!(first.resume(), "the second ended");
    assert!(first.resume());
    flows.take_down(&mut cache);
}

#[test]
fn registers_are_preserved() {
    let (mut cache, flows) = (cache(), Flows::default());
    for next in [1, 0] {
        flows.add(&mut cache, move |this, flows| {
            thread_local!(static OTHER: Cell<Option<&'static Flow>> = const { Cell::new(None) });
            extern "C" fn hand_over(this: &Flow) {
                this.hand_over(OTHER.get().unwrap());
            }
            for seed in 1..100 {
                OTHER.set(Some(flows.get(next)));
                assert_eq!(differing(seed * 1000 + next as u64, hand_over, this), 0);
            }
            this.suspend();
        });
    }
    let (first, second) = (flows.get(0), flows.get(1));
    assert!(!first.resume(), "it is through first");
    assert!(!second.resume());
    assert!(first.resume() && second.resume());
    flows.take_down(&mut cache);
}
