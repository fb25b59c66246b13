//! Seeing the value change by iteration.

use super::Receiver;
use std::sync::Arc;

/// The iterator of [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    pub(super) receiver: &'a mut Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = Arc<T>;

    fn next(&mut self) -> Option<Arc<T>> {
        self.receiver.wait_for_change(None).ok()
    }
}
