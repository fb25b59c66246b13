//! A step of the program: what the fiber does, what its partners do, and what must hold afterwards.

use crate::common::OnDrop;
use fiber::JoinHandle;
use fiber::sync::mpsc::{Receiver, channel};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Counts what is alive: whatever must be dropped has a clone.
#[derive(Clone, Default, Debug)]
pub(crate) struct Token(Arc<()>);

impl Token {
    /// Whether there is no clone.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// A number that several count up.
#[derive(Clone, Default, Debug)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, SeqCst);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

type Call = Box<dyn FnOnce() + Send>;

/// What the fiber is to do, and what its partners, who are spawned just before.
pub(crate) type Ours = (Box<dyn FnOnce() -> io::Result<()> + Send>, Vec<Call>);

/// One step.
pub(crate) struct Step {
    ours: Ours,
    after: After,
}

/// What is left to do when the fiber has ended.
pub(crate) struct After {
    pub(crate) name: &'static str,
    rescue: Call,
    check: Box<dyn FnOnce(bool) + Send>,
}

impl Step {
    /// A step. `ours` may wait for what partners do, fails with errors of interruptions only, and holds a clone of the token.
    pub(crate) fn new(name: &'static str, ours: impl FnOnce() -> io::Result<()> + Send + 'static) -> Step {
        let after = After { name, rescue: Box::new(|| ()), check: Box::new(|_| ()) };
        Step { ours: (Box::new(ours), Vec::new()), after }
    }

    /// Adds a partner, who comes to an end whatever becomes of the fiber; see [`rescue`](Self::rescue).
    pub(crate) fn with(mut self, theirs: impl FnOnce() + Send + 'static) -> Step {
        self.ours.1.push(Box::new(theirs));
        self
    }

    /// What the test does in the fiber's stead, before it waits for the partners, if the fiber was interrupted in this step.
    pub(crate) fn rescue(mut self, rescue: impl FnOnce() + Send + 'static) -> Step {
        self.after.rescue = Box::new(rescue);
        self
    }

    /// What must hold when the partners have ended. It is called with whether the fiber came to the end of the step.
    pub(crate) fn check(mut self, check: impl FnOnce(bool) + Send + 'static) -> Step {
        self.after.check = Box::new(check);
        self
    }

    pub(crate) fn split(self) -> (Ours, After) {
        (self.ours, self.after)
    }
}

impl After {
    /// After the fiber has ended.
    pub(crate) fn finish(self, is_done: bool, partners: Vec<JoinHandle<()>>, here: &str) {
        if !is_done {
            (self.rescue)();
        }
        for partner in partners {
            if let Err(error) = partner.join() {
                panic!("{here}: a partner in the step {:?} has ended with {error:?}", self.name);
            }
        }
        let _where = OnDrop(|| {
            if std::thread::panicking() {
                eprintln!("{here}; the step {:?} was{} done", self.name, if is_done { "" } else { " not" });
            }
        });
        (self.check)(is_done);
    }
}

/// Lets others run, and come to their waits.
pub(crate) fn give_way() {
    for _ in 0..3 {
        fiber::yield_now();
    }
}

/// By which a partner says that it is in place.
pub(crate) fn gate() -> (impl FnOnce() + Send, Receiver<()>) {
    let (sender, receiver) = channel();
    let open = move || {
        // Nobody waits any more if the fiber was struck before.
        let _ = sender.send(());
        give_way();
    };
    (open, receiver)
}
