//! What is known of each descriptor, by its number.
#![deny(unsafe_code)]

use super::attempt::Side;
use super::waits::Queue;
use std::os::fd::RawFd;

/// Watches in one page.
const PAGE: usize = 256;

/// The queues of a descriptor that nobody waits for.
pub(super) const NO_WAITS: [Queue; Side::COUNT] = [Queue::EMPTY; Side::COUNT];

/// A descriptor that somebody waits for, or has waited for.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// The waits, by side.
    pub(super) queues: [Queue; Side::COUNT],
    /// All events that somebody in the queue of `Both` asks for, and perhaps more.
    pub(super) asked: u32,
    /// The number of the latest request to the kernel. An event of another number is of a file that had this number before.
    pub(super) request: u32,
}

impl Watch {
    const NEW: Watch = Watch { queues: NO_WAITS, asked: 0, request: 0 };

    /// The events that are waited for.
    pub(super) fn interest(&self) -> u32 {
        [Side::In, Side::Out]
            .into_iter()
            .filter(|&side| !self.queues[side as usize].is_empty())
            .fold(self.asked, |events, side| events | side.events())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(Queue::is_empty)
    }
}

/// The watches of all descriptors that were ever waited for, in pages: the numbers may be far apart.
#[derive(Default)]
pub(super) struct Watches {
    pages: Vec<Option<Box<[Watch; PAGE]>>>,
}

impl Watches {
    /// That of a descriptor, whose number is not negative.
    #[inline]
    pub(super) fn of(&mut self, fd: RawFd) -> &mut Watch {
        let number = fd as usize;
        if !matches!(self.pages.get(number / PAGE), Some(Some(_))) {
            self.add_page(number / PAGE);
        }
        let page = self.pages[number / PAGE].as_mut().expect("it was there, or was added");
        &mut page[number % PAGE]
    }

    // Apart: it has a large frame.
    #[cold]
    #[inline(never)]
    fn add_page(&mut self, page: usize) {
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        self.pages[page] = Some(Box::new([Watch::NEW; PAGE]));
    }
}
