//! Receivers that are places of all kinds: what a probe mentions once more must stay allowed, and mean the same.

#![deny(warnings)]
// Of the code itself.
#![allow(static_mut_refs, clippy::all)]

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::HashMap;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut, Index, IndexMut};

#[macro_use]
#[path = "../twice.rs"]
mod twice;

#[derive(Clone, Default)]
struct Own(u32);

impl Own {
    fn lock(&self) -> u32 {
        self.0
    }
    fn read(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
    fn join(self) -> u32 {
        self.0
    }
}

/// Has pointers as its fields, and nothing is aligned.
#[repr(C, packed)]
struct Packed {
    _shift: u8,
    pointer: *const u32,
    other: *mut u32,
}

static mut POINTER: *const u32 = std::ptr::null();
static mut OWN: Own = Own(7);
static SHARED: Own = Own(8);

/// Its index is moved.
struct ByText(HashMap<String, Own>);

impl Index<String> for ByText {
    type Output = Own;
    fn index(&self, key: String) -> &Own {
        &self.0[&key]
    }
}

impl IndexMut<String> for ByText {
    fn index_mut(&mut self, key: String) -> &mut Own {
        self.0.get_mut(&key).unwrap()
    }
}

/// Counts how often it is dereferenced.
struct Smart {
    own: Own,
    times: Cell<u32>,
}

impl Deref for Smart {
    type Target = Own;
    fn deref(&self) -> &Own {
        self.times.set(self.times.get() + 1);
        &self.own
    }
}

impl DerefMut for Smart {
    fn deref_mut(&mut self) -> &mut Own {
        self.times.set(self.times.get() + 1);
        &mut self.own
    }
}

twice! {
    pub(crate) fn packed(packed: &Packed) -> u32 {
        // SAFETY: they point to variables of the caller.
        unsafe {
            packed.pointer.read();
            packed.other.write(5);
            packed.pointer.read() + packed.other.read()
        }
    }

    pub(crate) fn statics() -> u32 {
        // SAFETY: nobody else uses them.
        unsafe {
            OWN.0 = 7;
            POINTER = &raw const OWN.0;
            POINTER.read();
            let seven = POINTER.read() + OWN.lock();
            OWN.read();
            seven + OWN.read() + SHARED.lock()
        }
    }

    pub(crate) fn pointers(own: *mut Own) -> u32 {
        // SAFETY: it points to a variable of the caller.
        unsafe {
            (*own).read();
            let copy = ManuallyDrop::new(own.read());
            (*own).lock() + copy.lock() + (*own.cast_const()).lock() + own.as_ref().map_or(0, Own::lock)
        }
    }

    pub(crate) fn moved_index(mut map: ByText, key: String, other: String) -> u32 {
        map[other].read();
        map[key].lock()
    }

    pub(crate) fn computed_index(list: &mut [Own; 3], mut at: usize) -> u32 {
        let first = list[{
            at += 1;
            at
        }]
        .lock();
        let closure = list[(|| at)()].lock();
        let macros = list[vec![1_usize][0]].lock();
        let matched = list[match at {
            0 => 0,
            _ => 1,
        }]
        .read();
        list[[0, 1, 2].iter().position(|x| *x == at).unwrap()].read();
        at = 0;
        first + closure + macros + matched + list[at].lock() + list[list[0].lock() as usize].lock()
    }

    pub(crate) fn dereferenced(smart: &mut Smart) -> (u32, u32) {
        smart.lock();
        let sum = smart.lock() + smart.read() + (**smart).lock() + Own::lock(smart);
        (sum, smart.times.get())
    }

    pub(crate) fn two_phases(list: &mut Vec<usize>, own: &mut Own) -> u32 {
        list.push(list.len());
        list.insert(list.len() - 1, list[0]);
        own.0 = own.lock() + own.read();
        list.iter_mut().for_each(|x| *x += own.read() as usize);
        own.lock() + list.len() as u32
    }

    pub(crate) fn fields(mut pair: (Own, Box<(Own, Own)>)) -> u32 {
        let first = &mut pair.0;
        let second = pair.1.0.read();
        pair.1.1.lock();
        first.read();
        let (box_first, box_second) = *pair.1;
        first.lock() + second + box_first.join() + box_second.lock() + pair.0.join()
    }

    pub(crate) fn boxes(own: Box<Own>, nested: Box<Box<Own>>) -> u32 {
        nested.lock();
        (*own).join() + nested.join()
    }

    pub(crate) fn options(mut maybe: Option<Own>) -> u32 {
        maybe.as_mut().unwrap().read();
        let sum = maybe.as_ref().unwrap().lock() + maybe.clone().unwrap().join();
        sum + maybe.take().map_or(0, |own| own.join())
    }

    pub(crate) fn cells(cell: &RefCell<Own>, unsafe_cell: &UnsafeCell<Own>) -> u32 {
        cell.borrow_mut().read();
        let mut sum = cell.borrow().lock();
        sum += cell.borrow_mut().read();
        // SAFETY: nobody else has a reference.
        sum + unsafe { (*unsafe_cell.get()).read() }
    }

    pub(crate) fn uninitialised(later: bool) -> u32 {
        let own;
        if later {
            own = Own(4);
        } else {
            own = Own(5);
        }
        own.lock();
        let mut slot = MaybeUninit::<u32>::uninit();
        slot.write(1);
        let moved = own;
        // SAFETY: it has been written.
        moved.lock() + unsafe { slot.as_ptr().read() }
    }

    pub(crate) fn reborrowed(own: &mut Own) -> u32 {
        let again = &mut *own;
        again.read();
        let shared = &*again;
        shared.lock();
        let sum = shared.lock();
        own.read();
        sum + own.lock()
    }

    pub(crate) fn chosen(which: bool, a: &Own, b: &Own) -> u32 {
        if which { a } else { b }.lock()
            + match which {
                true => b,
                false => a,
            }
            .lock()
            + { a }.lock()
            + (*(&a)).lock()
            // SAFETY: the pointer was made of the reference `b`, which lives on.
            + unsafe { &*(&raw const *b) }.lock()
    }
}

fn main() {
    let mut ints = (2, 3);
    let packed = Packed { _shift: 0, pointer: &raw const ints.0, other: &raw mut ints.1 };
    same!(packed(&packed));
    same!(statics());
    same!(pointers(&mut Own(1)));
    let map = || ByText(HashMap::from([("a".to_owned(), Own(3)), ("b".to_owned(), Own(4))]));
    same!(moved_index(map(), "a".to_owned(), "b".to_owned()));
    same!(computed_index(&mut [Own(0), Own(1), Own(2)], 0));
    same!(dereferenced(&mut Smart { own: Own(1), times: Cell::new(0) }));
    same!(two_phases(&mut vec![1, 2], &mut Own(1)));
    same!(fields((Own(1), Box::new((Own(2), Own(3))))));
    same!(boxes(Box::new(Own(1)), Box::new(Box::new(Own(2)))));
    same!(options(Some(Own(1))));
    same!(cells(&RefCell::new(Own(1)), &UnsafeCell::new(Own(1))));
    same!(uninitialised(true));
    same!(reborrowed(&mut Own(1)));
    same!(chosen(true, &Own(1), &Own(2)));
}
