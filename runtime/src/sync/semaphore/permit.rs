//! What was acquired of a semaphore.

use super::Semaphore;
use std::fmt;
use std::ptr;
use std::sync::Arc;

/// Permits of a [`Semaphore`]; they go back when this is dropped, on whatever fiber or thread.
#[must_use = "if unused the permits go back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// As [`SemaphorePermit`], and keeps the semaphore alive. From [`Semaphore::acquire_owned`] and its like.
#[must_use = "if unused the permits go back at once"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

macro_rules! permit {
    ($permit:ty, $same:expr) => {
        /// How many permits these are.
        pub fn num_permits(&self) -> usize {
            self.permits
        }

        /// Takes the permits away for good: they do not go back.
        pub fn forget(mut self) {
            self.permits = 0;
        }

        /// Adds the permits of another to these.
        ///
        /// # Panics
        ///
        /// If they are of another semaphore.
        #[track_caller]
        pub fn merge(&mut self, mut other: Self) {
            let same: fn(&$permit, &$permit) -> bool = $same;
            assert!(same(self, &other), "permits of one semaphore cannot be merged with those of another");
            self.permits += std::mem::take(&mut other.permits);
        }
    };
}

impl<'a> SemaphorePermit<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        SemaphorePermit { semaphore, permits }
    }

    permit!(SemaphorePermit<'_>, |one, other| ptr::eq(one.semaphore, other.semaphore));

    /// Takes so many permits out, to go back apart. `None` if there are not so many.
    ///
    /// ```
    /// let semaphore = fiber::sync::Semaphore::new(3);
    /// let mut all = semaphore.acquire_many(3);
    /// let one = all.split(1).unwrap();
    /// drop(all);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// one.forget();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    pub fn split(&mut self, permits: usize) -> Option<SemaphorePermit<'a>> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(SemaphorePermit::new(self.semaphore, permits))
    }
}

impl OwnedSemaphorePermit {
    pub(super) fn new(semaphore: Arc<Semaphore>, permits: usize) -> Self {
        OwnedSemaphorePermit { semaphore, permits }
    }

    permit!(OwnedSemaphorePermit, |one, other| Arc::ptr_eq(&one.semaphore, &other.semaphore));

    /// Takes so many permits out, to go back apart. `None` if there are not so many.
    pub fn split(&mut self, permits: usize) -> Option<OwnedSemaphorePermit> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(OwnedSemaphorePermit::new(self.semaphore.clone(), permits))
    }

    /// The semaphore.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.give(self.permits);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.give(self.permits);
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSemaphorePermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
