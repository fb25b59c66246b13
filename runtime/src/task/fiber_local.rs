//! Variables of which each fiber has its own.

use crate::fiber::locals::{Inherit, Locals};
use crate::sched::Current;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// A variable of which each fiber has its own, declared by [`fiber_local!`](crate::fiber_local!). As [`std::thread::LocalKey`].
///
/// Off a fiber, each thread has its own.
pub struct FiberLocal<T: 'static> {
    init: fn() -> T,
    inherit: Option<Inherit>,
}

thread_local! {
    static OF_THREAD: Locals = Locals::default();
}

impl<T: 'static> FiberLocal<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> FiberLocal<T> {
        FiberLocal { init, inherit: None }
    }

    #[doc(hidden)]
    pub const fn inherited(init: fn() -> T) -> FiberLocal<T>
    where
        T: Clone + Send,
    {
        fn inherit<T: Clone + 'static>(value: &dyn Any) -> Rc<dyn Any> {
            Rc::new(value.downcast_ref::<T>().expect("a variable has one type").clone())
        }
        FiberLocal { init, inherit: Some(inherit::<T>) }
    }

    /// Calls `f` with the running fiber's value, which is made if it is not there.
    ///
    /// `f` may wait, and may use the variable again.
    ///
    /// # Panics
    ///
    /// On a thread that is ending and has dropped its values.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let value = match Current::get() {
            Some(current) => self.value(current.header().own.locals.get_or_init(Box::default)),
            None => OF_THREAD.with(|locals| self.value(locals)),
        };
        f(&value)
    }

    fn value(&'static self, locals: &Locals) -> Rc<T> {
        let variable = std::ptr::from_ref(self).addr();
        let value = locals.get(variable).unwrap_or_else(|| {
            let made: Rc<dyn Any> = Rc::new((self.init)());
            // Making it may have used it.
            locals.get(variable).unwrap_or_else(|| {
                locals.add(variable, made.clone(), self.inherit);
                made
            })
        });
        value.downcast().expect("a variable has one type")
    }
}

impl<T: 'static> FiberLocal<Cell<T>> {
    /// Sets the value.
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// A copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value, and gives the one before.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> FiberLocal<RefCell<T>> {
    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// If it is borrowed mutably.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value, to change it.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn set(&'static self, value: T) {
        self.with(|cell| drop(cell.replace(value)));
    }

    /// Takes the value, and leaves the default.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets the value, and gives the one before.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for FiberLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberLocal").finish_non_exhaustive()
    }
}

/// What a fiber that is spawned here has from the start.
// Each spawn asks, and mostly there is nothing.
#[inline]
pub(super) fn inherited() -> Option<Box<Locals>> {
    Current::get()?.header().own.locals.get()?.inherited()
}

/// Declares variables of which each fiber has its own. As [`std::thread_local!`]; what std's do on a fiber is to be shared by all
/// fibers of a worker.
///
/// A value is made when the fiber first uses it, and dropped on the fiber when it ends, before whoever joins it goes on; its destructor
/// may wait. Off a fiber, each thread has its own.
///
/// ```
/// use std::cell::Cell;
///
/// fiber::fiber_local! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// DEPTH.set(3);
/// let other = fiber::spawn(|| DEPTH.get()).join().unwrap();
/// assert_eq!((DEPTH.get(), other), (3, 0));
/// # });
/// ```
///
/// Variables marked `#[inherit]`, as the first of their attributes, are inherited: a fiber that is spawned with [`spawn`](crate::spawn), a
/// [`Builder`](crate::Builder), a [`Handle`](crate::runtime::Handle), in a scope or a set begins with a clone of the value that its spawner has at this time, if it has one. Their types are
/// `Clone + Send`.
///
/// ```
/// use std::cell::RefCell;
///
/// fiber::fiber_local! {
///     #[inherit]
///     static REQUEST: RefCell<String> = RefCell::new(String::from("none"));
/// }
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// REQUEST.set("GET /".to_owned());
/// let child = fiber::spawn(|| {
///     let inherited = REQUEST.with_borrow(String::clone);
///     REQUEST.set("another".to_owned());
///     inherited
/// });
/// assert_eq!(child.join().unwrap(), "GET /");
/// assert_eq!(REQUEST.take(), "GET /");
/// # });
/// ```
#[macro_export]
macro_rules! fiber_local {
    () => {};
    (#[inherit] $(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::FiberLocal<$type> = $crate::FiberLocal::inherited(|| $init);
        $($crate::fiber_local! { $($rest)* })?
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::FiberLocal<$type> = $crate::FiberLocal::new(|| $init);
        $($crate::fiber_local! { $($rest)* })?
    };
}
