//! A yield that works on every executor, and whether it lets anybody else run.

use super::Refusal;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// Wakes the task and leaves the processor once.
pub(super) fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// How often each of two tasks takes its turn.
pub(super) const TRIES: usize = 100;

/// Whose turns there were.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn add(&self, who: u8) {
        self.0.lock().expect("nobody panics").push(who);
    }

    /// Two tasks that yield all the time take turns; a yield that comes back to the same task measures nothing.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let turns = self.0.lock().expect("nobody panics");
        let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if changes > TRIES / 4 { Ok(()) } else { Err(Refusal::YieldRunsNobody) }
    }
}
