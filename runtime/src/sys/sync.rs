//! Atomics and shared cells of the lock-free protocols.
//!
//! Production code gets std's; under `--cfg loom` the same names are loom's, so that the protocols themselves, not
//! copies of them, are model-checked.

#[cfg(not(loom))]
mod imp {
    pub(crate) use crate::sys::lock::{Lock, LockGuard};
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::Mutex;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, fence};
    /// The same under names of their own, for what is made in constants.
    pub(crate) use std::sync::atomic::{
        AtomicU8 as ConstAtomicU8, AtomicU32 as ConstAtomicU32, AtomicUsize as ConstAtomicUsize,
    };

    /// Parking a thread, by which everything waits off a fiber.
    pub(crate) mod thread {
        pub(crate) use std::thread::{Thread, current, park, park_timeout};
    }

    /// `std::cell::UnsafeCell` with loom's interface: access is scoped, so that loom can watch it.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::MutexGuard as LockGuard;

    /// A lock, made of loom's mutex when it is first locked: loom's cannot be made in a constant.
    pub(crate) struct Lock<T> {
        value: std::sync::Mutex<Option<T>>,
        mutex: std::sync::OnceLock<Mutex<T>>,
    }

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self { value: std::sync::Mutex::new(Some(value)), mutex: std::sync::OnceLock::new() }
        }

        fn mutex(&self) -> &Mutex<T> {
            self.mutex.get_or_init(|| Mutex::new(self.value.lock().unwrap().take().expect("made once")))
        }

        pub(crate) fn lock(&self) -> LockGuard<'_, T> {
            self.mutex().lock().unwrap()
        }

        pub(crate) fn try_lock(&self) -> Option<LockGuard<'_, T>> {
            self.mutex().try_lock().ok()
        }
    }
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, fence};

    /// Atomics that are made when they are first used. A model has to do that before it starts threads: loom wants the making
    /// of an atomic to come before every use.
    macro_rules! const_atomics {
        ($($name:ident: $atomic:ident of $value:ty,)*) => {$(
            pub(crate) struct $name {
                value: $value,
                atomic: std::sync::OnceLock<$atomic>,
            }

            impl $name {
                pub(crate) const fn new(value: $value) -> Self {
                    Self { value, atomic: std::sync::OnceLock::new() }
                }
            }

            impl std::ops::Deref for $name {
                type Target = $atomic;

                fn deref(&self) -> &$atomic {
                    self.atomic.get_or_init(|| $atomic::new(self.value))
                }
            }
        )*};
    }

    const_atomics! {
        ConstAtomicU8: AtomicU8 of u8,
        ConstAtomicU32: AtomicU32 of u32,
        ConstAtomicUsize: AtomicUsize of usize,
    }

    /// Loom's parking. It has no time: a wait with a limit looks again and again, and models give up at once.
    pub(crate) mod thread {
        pub(crate) use loom::thread::{Thread, current, park};

        pub(crate) fn park_timeout(_: std::time::Duration) {
            loom::thread::yield_now();
        }
    }
}

pub(crate) use imp::*;
