//! The limits: corosensei's coroutines on coloured stacks, with as little around them as can be.

use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::ptr;

/// Bytes from one stack to the next: what a fiber takes by default, so that both pay for as many page tables.
const STACK: usize = 256 * 1024;

/// Memory for many stacks. They have no guards.
pub(crate) struct Stacks {
    start: usize,
    count: usize,
}

/// One of them. Nothing keeps two coroutines from sharing one; whoever hands them out does not do that.
pub(crate) struct BareStack {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: base and limit are aligned and lie in the mapping, far enough from each other. There is no guard below: the coroutines of
// these benchmarks use some hundred bytes.
unsafe impl corosensei::stack::Stack for BareStack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}

impl Stacks {
    /// Maps `count` stacks.
    pub(crate) fn map(count: usize) -> Stacks {
        let len = count * STACK;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, where nothing was.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        assert!(start != libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        // SAFETY: the mapping is ours. If it fails, stacks take more memory.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        Stacks { start: start as usize, count }
    }

    /// Stack number `index`, which starts at one of sixteen distances from its top, as fibers' stacks do.
    pub(crate) fn get(&self, index: usize) -> BareStack {
        assert!(index < self.count);
        let limit = self.start + index * STACK;
        let pointer = |address| StackPointer::new(address).expect("a mapping is not at address zero");
        BareStack { base: pointer(limit + STACK - index % 16 * 64), limit: pointer(limit) }
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever made coroutines on it has dropped them.
        unsafe { libc::munmap(self.start as *mut _, self.count * STACK) };
    }
}

/// Coroutines that suspend where they are resumed: the switch alone, with its calls and returns in pairs.
pub(crate) struct Switch {
    coroutines: Vec<Coroutine<(), (), (), BareStack>>,
    _stacks: Stacks,
}

impl Switch {
    pub(crate) fn new(count: usize) -> Switch {
        let stacks = Stacks::map(count);
        let mut coroutines: Vec<_> = (0..count)
            .map(|index| {
                Coroutine::with_stack(stacks.get(index), |yielder: &Yielder<(), ()>, ()| {
                    loop {
                        yielder.suspend(());
                    }
                })
            })
            .collect();
        coroutines.iter_mut().for_each(|coroutine| assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(()))));
        Switch { coroutines, _stacks: stacks }
    }

    /// Resumes each coroutine `times` times, in turn.
    pub(crate) fn run(&mut self, times: usize) {
        for _ in 0..times {
            for coroutine in &mut self.coroutines {
                assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())));
            }
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // They never end; their frames hold nothing.
        // SAFETY: nothing on the stacks needs to be dropped.
        self.coroutines.iter_mut().for_each(|coroutine| unsafe { coroutine.force_reset() });
    }
}

/// A coroutine in the minimal run loop, with its place in the queue.
struct Task {
    next: *mut Task,
    yielder: *const Yielder<(), ()>,
    coroutine: Option<Coroutine<(), (), (), BareStack>>,
}

/// A minimal run loop: a linked queue of coroutines, which suspend from a function that is not inlined into them.
pub(crate) struct Loop {
    tasks: Box<[Task]>,
    state: Box<State>,
    _stacks: Stacks,
}

struct State {
    head: Cell<*mut Task>,
    tail: Cell<*mut Task>,
    running: Cell<*mut Task>,
}

thread_local! {
    static STATE: Cell<*const State> = const { Cell::new(ptr::null()) };
}

impl State {
    #[inline(always)]
    fn push(&self, task: *mut Task) {
        // SAFETY: tasks live as long as their loop, which is the one that runs.
        unsafe {
            (*task).next = ptr::null_mut();
            match self.tail.replace(task) {
                last if last.is_null() => self.head.set(task),
                last => (*last).next = task,
            }
        }
    }

    #[inline(always)]
    fn pop(&self) -> *mut Task {
        let task = self.head.get();
        if !task.is_null() {
            // SAFETY: as above.
            self.head.set(unsafe { (*task).next });
            if self.head.get().is_null() {
                self.tail.set(ptr::null_mut());
            }
        }
        task
    }
}

/// Lets the other coroutines of the loop run. On a coroutine of a [`Loop`] only.
#[inline(never)]
pub(crate) fn yield_now() {
    // SAFETY: set by `Loop::run`, on this thread, for as long as it runs.
    let state = unsafe { &*STATE.get() };
    let task = state.running.get();
    state.push(task);
    // SAFETY: it is the running task's, whose root frame holds the yielder.
    unsafe { (*(*task).yielder).suspend(()) };
}

impl Loop {
    /// `count` coroutines that have started and run `body` once the loop does.
    pub(crate) fn new(count: usize, body: impl Fn(usize) + Copy + 'static) -> Loop {
        let stacks = Stacks::map(count);
        let empty = || Task { next: ptr::null_mut(), yielder: ptr::null(), coroutine: None };
        let mut tasks: Box<[Task]> = (0..count).map(|_| empty()).collect();
        let null = || Cell::new(ptr::null_mut());
        let state = Box::new(State { head: null(), tail: null(), running: null() });
        let start = tasks.as_mut_ptr();
        for index in 0..count {
            // SAFETY: within the allocation, which does not move.
            let task = unsafe { start.add(index) };
            let mut coroutine = Coroutine::with_stack(stacks.get(index), move |yielder: &Yielder<(), ()>, ()| {
                // SAFETY: tasks outlive their coroutines.
                unsafe { (*task).yielder = yielder };
                yielder.suspend(());
                body(index);
            });
            assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())));
            // SAFETY: as above.
            unsafe { (*task).coroutine = Some(coroutine) };
            state.push(task);
        }
        Loop { tasks, state, _stacks: stacks }
    }

    /// Runs until all coroutines have ended; returns how often it resumed one.
    pub(crate) fn run(&mut self) -> usize {
        let (mut resumed, mut ended) = (0, 0);
        STATE.set(&*self.state);
        loop {
            let task = self.state.pop();
            if task.is_null() {
                break;
            }
            self.state.running.set(task);
            resumed += 1;
            // SAFETY: the task is alive and its coroutine suspended; it touches only the yielder.
            if let Some(coroutine) = unsafe { &mut (*task).coroutine }
                && let CoroutineResult::Return(()) = coroutine.resume(())
            {
                ended += 1;
            }
        }
        STATE.set(ptr::null());
        assert_eq!(ended, self.tasks.len());
        resumed
    }
}
