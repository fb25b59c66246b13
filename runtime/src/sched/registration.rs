//! Memory that a worker's driver knows already.

use super::current::Current;
use std::ptr;

/// That memory is registered with the driver of one worker; ends with this, if that is on a fiber of the worker, and otherwise with the driver.
pub(crate) struct Registration {
    index: u16,
    /// The address of the worker. (It keeps the type from being `Send`, too: the driver is its thread's.)
    worker: *const (),
}

impl Registration {
    /// Registers memory with the driver of the running fiber's worker. Nothing off a fiber, and where the driver cannot.
    ///
    /// # Safety
    ///
    /// The memory stays allocated until this was dropped.
    pub(crate) unsafe fn new(memory: *mut u8, len: usize) -> Option<Registration> {
        let current = Current::get()?;
        // SAFETY: the caller vouches for the memory. Where this does not end the registration, the kernel has the pages until the driver is
        // dropped, and no operation names them any more.
        let index = unsafe { current.worker().driver.borrow_mut().register(memory, len) }?;
        Some(Registration { index, worker: address(current) })
    }

    /// What operations of the running fiber call the memory. Nothing if that is not a fiber of this worker.
    pub(crate) fn index(&self) -> Option<u16> {
        Current::get().is_some_and(|current| address(current) == self.worker).then_some(self.index)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let (Some(index), Some(current)) = (self.index(), Current::get()) {
            current.worker().driver.borrow_mut().unregister(index);
        }
    }
}

fn address(current: Current<'_>) -> *const () {
    ptr::from_ref(current.worker()).cast()
}
