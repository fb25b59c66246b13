//! The same tests for whichever engine was chosen.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) mod registers;

use super::Context;
use crate::fiber::stack::{SizeClass, Stack, StackBounds, StackCache, StackConfig, StackPool};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::hint::black_box;
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Closure = Box<dyn FnOnce(&Flow)>;

/// A flow of control that runs a closure, on a stack of its own.
pub(super) struct Flow {
    /// Where the context is now.
    pub(super) place: Cell<*mut Context>,
    places: UnsafeCell<[MaybeUninit<Context>; 2]>,
    bounds: StackBounds,
    closure: Cell<Option<Closure>>,
}

pub(super) fn cache() -> StackCache {
    StackCache::new(Arc::new(StackPool::new(None, &StackConfig::default())))
}

impl Flow {
    pub(super) fn new(cache: &mut StackCache, closure: impl FnOnce(&Flow) + 'static) -> Box<Flow> {
        Flow::with_body(cache.take(SizeClass::DEFAULT).unwrap(), body, closure)
    }

    fn with_body(stack: Stack, body: extern "C" fn(&Flow), closure: impl FnOnce(&Flow) + 'static) -> Box<Flow> {
        let flow = Box::new(Flow {
            place: Cell::default(),
            places: UnsafeCell::new([const { MaybeUninit::uninit() }; 2]),
            bounds: stack.bounds(),
            closure: Cell::new(Some(Box::new(closure))),
        });
        flow.place.set(flow.places.get().cast());
        // SAFETY: the place is the flow's own, and the flow is dropped after its end.
        unsafe { Context::prepare(flow.place.get(), stack, &raw const *flow, body) };
        flow
    }

    #[inline(always)]
    pub(super) fn resume(&self) -> bool {
        // SAFETY: each test resumes flows from outside, until they have ended.
        unsafe { (*self.place.get()).resume() }
    }

    #[inline(always)]
    pub(super) fn suspend(&self) {
        // SAFETY: each test suspends a flow from inside.
        unsafe { (*self.place.get()).suspend() };
    }

    /// Moves the suspended context elsewhere, and makes the place that it had unusable.
    fn relocate(&self) {
        let places = self.places.get().cast::<Context>();
        // SAFETY: there are two.
        let (first, second) = unsafe { (places, places.add(1)) };
        let (from, to) = if self.place.get() == first { (first, second) } else { (second, first) };
        // SAFETY: the context is suspended, and both places are ours.
        unsafe {
            to.copy_from_nonoverlapping(from, 1);
            from.write_bytes(0xa5, 1);
        }
        self.place.set(to);
    }

    /// Called once.
    pub(super) fn take_stack(&self) -> Stack {
        // SAFETY: the flow has ended, and its context is used no more.
        unsafe { (*self.place.get()).reclaim_stack(self.bounds) }
    }
}

extern "C" fn body(flow: &Flow) {
    let closure = flow.closure.take().unwrap();
    closure(flow);
}

#[test]
fn a_flow_runs_when_it_is_resumed_and_until_it_suspends() {
    let steps = std::rc::Rc::new(RefCell::new(Vec::new()));
    let inside = steps.clone();
    let mut cache = cache();
    let flow = Flow::new(&mut cache, move |flow| {
        for step in [1, 3, 5] {
            inside.borrow_mut().push(step);
            flow.suspend();
        }
        inside.borrow_mut().push(7);
    });
    for step in [0, 2, 4] {
        steps.borrow_mut().push(step);
        assert!(!flow.resume());
    }
    steps.borrow_mut().push(6);
    assert!(flow.resume());
    assert_eq!(*steps.borrow(), [0, 1, 2, 3, 4, 5, 6, 7]);
    cache.give(flow.take_stack());
}

#[test]
fn a_stack_serves_one_flow_after_the_other() {
    let mut cache = cache();
    let mut stack = cache.take(SizeClass::DEFAULT).unwrap();
    for round in 0..100 {
        let ran = std::rc::Rc::new(Cell::new(0));
        let inside = ran.clone();
        let flow = Flow::with_body(stack, body, move |flow| {
            (0..round % 3).for_each(|_| flow.suspend());
            inside.set(round + 1);
        });
        (0..round % 3).for_each(|_| assert!(!flow.resume()));
        assert!(flow.resume());
        assert_eq!(ran.get(), round + 1);
        stack = flow.take_stack();
    }
    cache.give(stack);
}

#[test]
fn a_suspended_context_can_be_moved() {
    let mut cache = cache();
    let flow = Flow::new(&mut cache, |flow| (0..10).for_each(|_| flow.suspend()));
    for _ in 0..10 {
        assert!(!flow.resume());
        flow.relocate();
    }
    assert!(flow.resume());
    cache.give(flow.take_stack());
}

#[inline(never)]
fn descend(flow: &Flow, depth: u64) -> u64 {
    let frame = black_box([depth; 5]);
    if depth.is_multiple_of(100) {
        flow.suspend();
    }
    let below = if depth == 0 { 0 } else { descend(flow, depth - 1) };
    below + frame[usize::from(depth != 0)]
}

/// Resumes from a stack as deep as `depth` says.
#[inline(never)]
pub(super) fn resume_from(flow: &Flow, depth: u64) -> bool {
    let frame = black_box([depth; 3]);
    let ended = if depth == 0 { flow.resume() } else { resume_from(flow, depth - 1) };
    assert_eq!(frame, [depth; 3]);
    ended
}

#[test]
fn frames_are_as_they_were_however_deep_either_side_is() {
    let mut cache = cache();
    let flow = Flow::new(&mut cache, |flow| assert_eq!(descend(flow, 500), 500 * 501 / 2));
    for depth in [0, 7, 7, 100, 3, 0] {
        assert!(!resume_from(&flow, depth));
    }
    assert!(resume_from(&flow, 50));
    cache.give(flow.take_stack());
}

#[test]
fn many_flows_take_turns() {
    let mut cache = cache();
    let flows: Vec<_> = (0..100_u64)
        .map(|index| Flow::new(&mut cache, move |flow| assert_eq!(descend(flow, index), index * (index + 1) / 2)))
        .collect();
    flows.iter().for_each(|flow| assert!(!flow.resume()));
    flows.iter().rev().for_each(|flow| assert!(flow.resume()));
    flows.into_iter().for_each(|flow| cache.give(flow.take_stack()));
}

#[test]
fn a_panic_unwinds_to_whoever_catches_it_over_a_suspension() {
    struct Count(std::rc::Rc<Cell<u32>>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    #[inline(never)]
    fn fail(flow: &Flow, depth: u32, count: &Count) {
        let _dropped = Count(count.0.clone());
        if depth > 0 {
            return fail(flow, depth - 1, count);
        }
        flow.suspend();
        std::panic::resume_unwind(Box::new("over"));
    }
    let mut cache = cache();
    let drops = std::rc::Rc::new(Cell::new(0));
    let inside = Count(drops.clone());
    let flow = Flow::new(&mut cache, move |flow| {
        let caught = catch_unwind(AssertUnwindSafe(|| fail(flow, 20, &inside))).unwrap_err();
        assert_eq!(*caught.downcast::<&str>().unwrap(), "over");
        mem::forget(inside);
        flow.suspend();
    });
    assert!(!flow.resume());
    assert_eq!(drops.get(), 0);
    assert!(!flow.resume());
    assert_eq!(drops.get(), 21);
    assert!(flow.resume());
    cache.give(flow.take_stack());
}

#[test]
fn a_panic_while_both_sides_unwind_is_caught_on_each() {
    let mut cache = cache();
    let flow = Flow::new(&mut cache, |flow| {
        struct Suspends<'a>(&'a Flow);
        impl Drop for Suspends<'_> {
            fn drop(&mut self) {
                self.0.suspend();
            }
        }
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _suspends = Suspends(flow);
            std::panic::resume_unwind(Box::new(1));
        }));
        assert!(caught.is_err());
    });
    assert!(!flow.resume());
    struct Resumes<'a>(&'a Flow);
    impl Drop for Resumes<'_> {
        fn drop(&mut self) {
            assert!(self.0.resume());
        }
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _resumes = Resumes(&flow);
        std::panic::resume_unwind(Box::new(2));
    }));
    assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 2);
    cache.give(flow.take_stack());
}

#[inline(never)]
pub(super) fn inside_the_flow() -> String {
    black_box(Backtrace::force_capture().to_string())
}

#[inline(never)]
pub(super) fn first_resumer(flow: &Flow) -> bool {
    black_box(flow.resume())
}

#[inline(never)]
pub(super) fn second_resumer(flow: &Flow) -> bool {
    let pad = black_box([0_u8; 100]);
    let ended = black_box(flow.resume());
    black_box(pad);
    ended
}

#[test]
#[cfg_attr(feature = "sanitizer", ignore = "AddressSanitizer has locals elsewhere, and frames of its own")]
fn a_backtrace_goes_on_with_whoever_resumed() {
    let mut cache = cache();
    let traces = std::rc::Rc::new(RefCell::new(Vec::new()));
    let inside = traces.clone();
    let flow = Flow::new(&mut cache, move |flow| {
        for _ in 0..4 {
            inside.borrow_mut().push(inside_the_flow());
            flow.suspend();
        }
    });
    for _ in 0..2 {
        assert!(!first_resumer(&flow));
        assert!(!second_resumer(&flow));
    }
    assert!(first_resumer(&flow));
    for (index, trace) in traces.borrow().iter().enumerate() {
        let expected = ["first_resumer", "second_resumer"];
        let (resumer, other) = (expected[index % 2], expected[(index + 1) % 2]);
        let position = |name: &str| trace.find(name).unwrap_or_else(|| panic!("{name} is not in\n{trace}"));
        let order = [position("inside_the_flow"), position("a_backtrace_goes_on"), position(resumer)];
        assert!(order.is_sorted(), "{trace}");
        assert!(!trace.contains(other), "{trace}");
        // The outermost there is.
        assert!(position("thread_start") > order[2] || position("clone") > order[2], "{trace}");
    }
    cache.give(flow.take_stack());
}

/// A debugger stops inside the flow of the test above, and shows who resumed it.
#[test]
fn gdb_goes_on_with_whoever_resumed() {
    let test = concat!(module_path!(), "::a_backtrace_goes_on_with_whoever_resumed");
    let gdb = std::process::Command::new("gdb")
        .args(["-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", "set breakpoint pending on"])
        .args([
            "-ex",
            concat!("break ", module_path!(), "::inside_the_flow"),
            "-ex",
            "run",
            "-ex",
            "backtrace",
            "-ex",
            "kill",
        ])
        .arg("--args")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test.split_once("::").unwrap().1])
        .output();
    let Ok(output) = gdb else {
        eprintln!("skipped: gdb is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((_, trace)) = said.split_once("Breakpoint 1, ") else {
        eprintln!("skipped: gdb cannot run programs here");
        return;
    };
    let position = |name: &str| trace.find(name).unwrap_or_else(|| panic!("{name} is not in\n{trace}"));
    // Down to what std calls threads with: libc's part has names only where its debug symbols are installed.
    let order = ["inside_the_flow", "a_backtrace_goes_on", "first_resumer", "thread_start"].map(position);
    assert!(order.is_sorted(), "{trace}");
}

#[test]
fn stacks_are_aligned() {
    #[repr(align(16))]
    struct Aligned([u8; 16]);
    #[inline(never)]
    fn address<T>(of: &T) -> usize {
        black_box(std::ptr::from_ref(of)).expose_provenance()
    }
    let mut cache = cache();
    let flow = Flow::new(&mut cache, |flow| {
        for _ in 0..2 {
            let local = Aligned([1; 16]);
            assert_eq!(black_box(address(black_box(&local))) % 16, 0);
            // Formatting of floating-point numbers uses instructions that fault on what is not aligned.
            assert_eq!(format!("{:e}", black_box(local.0[0] as f64 / 3.0)), "3.333333333333333e-1");
            flow.suspend();
        }
    });
    assert!(!flow.resume());
    assert!(!flow.resume());
    assert!(flow.resume());
    cache.give(flow.take_stack());
}
