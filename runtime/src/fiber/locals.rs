//! The values that belong to one fiber: what `fiber_local!` declares.
//!
//! A key gets a small number when it is first used. A fiber that uses one gets a table, in which the value of key `n` is at
//! index `n`; each value is a box of its own, because references to it last as long as the fiber. Fibers that use none have
//! one null pointer.
//!
//! ```text
//!   absent ──insert──► alive ──destroy──► destroyed          one key on one fiber
//!
//!   none ──insert──► table ──destroy──► over                 all keys of one fiber
//!     └──────────────destroy──────────────▲
//! ```
//!
//! Rules:
//!
//! 1. Only the fiber itself touches its table, on its own stack; before it starts, whoever spawns it, who puts inherited values in.
//! 2. A value that is alive stays where it is until rule 3 destroys it. So a reference is good in everything that runs on the
//!    fiber before its end, across its suspensions, and nowhere else. Coroutines could carry one off; `nested` forbids it.
//! 3. When the closure has returned, the values are destroyed one by one, the newest first, as if they were on a stack. What
//!    their destructors create is destroyed too. Each counts up `Own::destroyed` before it goes.
//! 4. A record that is freed with values left was never started: the values are inherited ones, which are `Send`.
//!
//! Rejected: a map by the address of the key (a hash for each access); values in line in the table (they would move when it
//! grows); destroying in the order of keys (a value may refer to those that were there when it was made).

use super::record::{Own, drop_quietly};
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// The identity of a `fiber_local!` with values of type `T`.
#[derive(Debug)]
pub struct Key<T> {
    /// Zero until the first use.
    index: AtomicU32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key without a number yet.
    #[expect(clippy::new_without_default, reason = "made in statics")]
    pub const fn new() -> Key<T> {
        Key { index: AtomicU32::new(0), of: PhantomData }
    }

    /// Zero before the first use.
    #[inline]
    fn index(&self) -> usize {
        self.index.load(Relaxed) as usize
    }

    #[cold]
    fn number(&self) -> usize {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.index() == 0 {
            // Two threads may take a number each; the first keeps its own, the other number is lost.
            let mine = NEXT.fetch_add(1, Relaxed);
            let _ = self.index.compare_exchange(0, mine, Relaxed, Relaxed);
        }
        self.index()
    }
}

/// How a child gets a value of its own from its parent's: by cloning it, on the parent. The child may start on another thread.
#[derive(Debug)]
pub struct Inherit<T>(fn(&T) -> T);

impl<T: Clone + Send> Inherit<T> {
    /// For types that may go to another thread.
    #[expect(clippy::new_without_default, reason = "made in statics")]
    pub const fn new() -> Inherit<T> {
        Inherit(T::clone)
    }
}

impl<T> Clone for Inherit<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Inherit<T> {}

/// A value in its box, whatever its type. Begins a `Value<T>`.
struct Header {
    functions: &'static Functions,
    /// The value that was made before.
    older: *mut Header,
    index: usize,
}

#[repr(C)]
struct Value<T> {
    header: Header,
    inherit: Option<Inherit<T>>,
    value: T,
}

/// What can be done with a value, by type.
struct Functions {
    drop: unsafe fn(*mut Header),
    inherit: unsafe fn(*mut Header) -> *mut Header,
}

/// # Safety
///
/// The header begins a `Value<T>` that came out of a box, and nobody uses it any more.
unsafe fn drop_value<T>(value: *mut Header) {
    // SAFETY: passed on to the caller.
    drop_quietly(unsafe { Box::from_raw(value.cast::<Value<T>>()) });
}

/// A box for the child, null if this is a value of which it gets none.
///
/// # Safety
///
/// The header begins a `Value<T>` that is alive.
unsafe fn inherit_value<T>(value: *mut Header) -> *mut Header {
    // SAFETY: passed on to the caller. Only shared references to values are ever given out.
    let value = unsafe { &*value.cast::<Value<T>>() };
    value.inherit.map_or(ptr::null_mut(), |inherit| boxed(value.header.index, (inherit.0)(&value.value), Some(inherit)))
}

fn boxed<T>(index: usize, value: T, inherit: Option<Inherit<T>>) -> *mut Header {
    let functions = const { &Functions { drop: drop_value::<T>, inherit: inherit_value::<T> } };
    let header = Header { functions, older: ptr::null_mut(), index };
    Box::into_raw(Box::new(Value { header, inherit, value })).cast()
}

/// All values of a fiber that has any.
struct Table {
    /// By the number of the key: null, [`DESTROYED`], or a value that is alive.
    entries: UnsafeCell<Vec<*mut Header>>,
    newest: Cell<*mut Header>,
    /// Whether one of them goes on to children.
    heritable: Cell<bool>,
}

/// The place of a value that was destroyed.
const DESTROYED: *mut Header = ptr::without_provenance_mut(1);

/// The table of a fiber whose values were destroyed.
const OVER: *mut Table = ptr::without_provenance_mut(1);

/// The values of one fiber.
#[derive(Debug)]
pub(crate) struct Locals(Cell<*mut Table>);

/// The fiber has destroyed the value, or all its values.
#[derive(Debug)]
pub(crate) struct Gone;

impl Default for Locals {
    fn default() -> Locals {
        Locals(Cell::new(ptr::null_mut()))
    }
}

impl Locals {
    /// The value of `key`, if it is there.
    ///
    /// The reference is good as rule 2 of the module says: the caller lets no more than one call on the fiber have it.
    #[inline]
    pub(crate) fn get<T>(&self, key: &Key<T>) -> Option<NonNull<T>> {
        let table = self.table()?;
        // SAFETY: by rule 1 nobody changes the vector now.
        let value = unsafe { &*table.entries.get() }.get(key.index()).copied()?;
        if value.addr() <= DESTROYED.addr() {
            return None;
        }
        // SAFETY: only `insert` puts values in, and in the place of a key one of the key's type.
        Some(unsafe { NonNull::new_unchecked(&raw mut (*value.cast::<Value<T>>()).value) })
    }

    /// The value of `key`, made if it is not there.
    ///
    /// Making it may do anything, also suspend the fiber and use this very key: what is there first stays.
    #[cold]
    pub(crate) fn get_or_insert<T>(
        &self,
        key: &Key<T>,
        inherit: Option<Inherit<T>>,
        make: impl FnOnce() -> T,
    ) -> Result<NonNull<T>, Gone> {
        let index = key.number();
        self.can_hold(index)?;
        let value = make();
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        self.can_hold(index)?;
        self.insert(boxed(index, value, inherit), inherit.is_some());
        Ok(self.get(key).expect("the value was put there"))
    }

    /// Copies of all that children get, for one child.
    #[inline]
    pub(crate) fn heritage(&self) -> Locals {
        match self.table() {
            Some(table) if table.heritable.get() => inherit_from(table),
            _ => Locals::default(),
        }
    }

    #[inline]
    fn table(&self) -> Option<&Table> {
        let table = self.0.get();
        // SAFETY: the table lives until `Drop` or `destroy` takes the pointer out.
        (table.addr() > OVER.addr()).then(|| unsafe { &*table })
    }

    /// Whether a value may be put at `index`.
    fn can_hold(&self, index: usize) -> Result<(), Gone> {
        if self.0.get() == OVER {
            return Err(Gone);
        }
        // SAFETY: by rule 1 nobody changes the vector now.
        let entry = self.table().and_then(|table| unsafe { &*table.entries.get() }.get(index).copied());
        if entry == Some(DESTROYED) { Err(Gone) } else { Ok(()) }
    }

    /// Puts in a value whose place is empty.
    fn insert(&self, value: *mut Header, heritable: bool) {
        if self.0.get().is_null() {
            let none = Table {
                entries: UnsafeCell::default(),
                newest: Cell::new(ptr::null_mut()),
                heritable: Cell::new(false),
            };
            self.0.set(Box::into_raw(Box::new(none)));
        }
        let table = self.table().expect("a table that is not over");
        // SAFETY: by rule 1 nobody else looks at the vector now, and nothing in here calls out. The value is new.
        unsafe {
            let entries = &mut *table.entries.get();
            let index = (*value).index;
            if entries.len() <= index {
                entries.resize(index + 1, ptr::null_mut());
            }
            entries[index] = value;
            (*value).older = table.newest.replace(value);
        }
        table.heritable.set(table.heritable.get() || heritable);
    }

    /// Takes out the newest value, whose place says from now on that it is destroyed.
    fn pop(&self) -> Option<*mut Header> {
        let table = self.table()?;
        let value = table.newest.get();
        // SAFETY: values in the list are alive, and by rule 1 nobody else looks at the vector now.
        unsafe {
            table.newest.set(value.as_ref()?.older);
            (&mut *table.entries.get())[(*value).index] = DESTROYED;
        }
        Some(value)
    }

    fn destroy_all(&self, mut before_each: impl FnMut()) {
        while let Some(value) = self.pop() {
            before_each();
            // SAFETY: it was taken out of the list, and by rule 2 no reference is in use.
            unsafe { ((*value).functions.drop)(value) };
        }
        let table = self.0.replace(OVER);
        if table.addr() > OVER.addr() {
            // SAFETY: it came out of a box, and the pointer to it is gone.
            drop(unsafe { Box::from_raw(table) });
        }
    }
}

#[cold]
fn inherit_from(table: &Table) -> Locals {
    let child = Locals::default();
    let mut value = table.newest.get();
    while !value.is_null() {
        // SAFETY: values stay until the parent ends, and this is the parent. Cloning may make new ones, which come before this one
        // in the list, not after.
        let (copy, older) = unsafe { (((*value).functions.inherit)(value), (*value).older) };
        if !copy.is_null() {
            child.insert(copy, true);
        }
        value = older;
    }
    child
}

/// Destroys the values of the running fiber, at its end. Destructors may do all that a fiber may.
pub(crate) fn destroy(own: &Own) {
    own.locals.destroy_all(|| own.destroyed.set(own.destroyed.get() + 1));
}

impl Drop for Locals {
    fn drop(&mut self) {
        // Unless the fiber never started there is nothing left: rule 4.
        if self.table().is_some() {
            self.destroy_all(|| ());
        }
    }
}
