//! Guards of a part of the data.

use crate::common::{here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::{
    MappedMutexGuard, MappedRwLockReadGuard, MappedRwLockWriteGuard, Mutex, MutexGuard, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

#[test]
fn a_part_of_a_mutex() {
    let mutex = Mutex::new((1, vec![2, 3]));
    let list = MutexGuard::map(mutex.lock().unwrap(), |all| &mut all.1);
    let mut last = MappedMutexGuard::filter_map(list, |list| list.last_mut()).unwrap();
    *last += 1;
    assert!(mutex.try_lock().is_err());
    assert_eq!(format!("{last:?} {last}"), "4 4");
    drop(last);
    let first = MutexGuard::filter_map(mutex.lock().unwrap(), |all| all.1.first_mut()).unwrap();
    let none = MappedMutexGuard::filter_map(first, |_| None::<&mut u8>).unwrap_err();
    assert_eq!(*MappedMutexGuard::map(none, |first| first), 2);
    let whole = MutexGuard::filter_map(mutex.lock().unwrap(), |_| None::<&mut u8>).unwrap_err();
    assert_eq!(*whole, (1, vec![2, 4]));
    drop(whole);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_part_of_a_lock() {
    let lock = RwLock::new((1, vec![2, 3]));
    let list = RwLockReadGuard::map(lock.read().unwrap(), |all| &all.1);
    let last = MappedRwLockReadGuard::filter_map(list, |list| list.last()).unwrap();
    let last = MappedRwLockReadGuard::filter_map(last, |_| None::<&u8>).unwrap_err();
    let last = MappedRwLockReadGuard::map(last, |last| last);
    assert_eq!((format!("{last:?} {last}").as_str(), lock.read().unwrap().0), ("3 3", 1));
    assert!(lock.try_write().is_err());
    drop(last);
    assert!(RwLockReadGuard::filter_map(lock.read().unwrap(), |_| None::<&u8>).is_err());
    let list = RwLockWriteGuard::map(lock.write().unwrap(), |all| &mut all.1);
    let mut last = MappedRwLockWriteGuard::filter_map(list, |list| list.last_mut()).unwrap();
    *last += 1;
    assert!(lock.try_read().is_err());
    let last = MappedRwLockWriteGuard::filter_map(last, |_| None::<&mut u8>).unwrap_err();
    let last = MappedRwLockWriteGuard::map(last, |last| last);
    assert_eq!(format!("{last:?} {last}"), "4 4");
    drop(last);
    assert!(RwLockWriteGuard::filter_map(lock.write().unwrap(), |_| None::<&mut u8>).is_err());
    assert_eq!(lock.into_inner().unwrap(), (1, vec![2, 4]));
}

#[test]
fn a_panic_poisons_through_them() {
    let caught = |f: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    let mutex = Mutex::new(1);
    caught(&|| drop(MutexGuard::map(mutex.lock().unwrap(), |_| panic!("in the map")) as MappedMutexGuard<'_, u8>));
    assert!(mutex.is_poisoned());
    mutex.clear_poison();
    caught(&|| {
        let _part = MutexGuard::map(mutex.lock().unwrap(), |all| all);
        panic!("with the part");
    });
    assert!(mutex.is_poisoned() && mutex.try_lock().is_err_and(|error| error.to_string().contains("poisoned")));
    let lock = RwLock::new(1);
    caught(&|| {
        let _part = RwLockReadGuard::map(lock.read().unwrap(), |all| all);
        panic!("with a part to read");
    });
    assert!(!lock.is_poisoned());
    caught(&|| {
        let _part = RwLockWriteGuard::map(lock.write().unwrap(), |all| all);
        panic!("with the part");
    });
    assert!(lock.is_poisoned());
    assert_eq!(lock.into_inner().unwrap_err().into_inner(), 1);
}

#[test]
fn a_cancellation_does_not_poison_through_them() {
    runtime(1).run(|| {
        let shared = Arc::new((Mutex::new((1, 2)), RwLock::new((1, 2))));
        let holder = fiber::spawn({
            let shared = shared.clone();
            move || {
                let _parts = (
                    MutexGuard::map(shared.0.lock().unwrap(), |all| &mut all.1),
                    RwLockWriteGuard::map(shared.1.write().unwrap(), |all| &mut all.1),
                );
                fiber::park();
            }
        });
        until_waiting(&here(), &holder.fiber(), Reason::Park);
        assert!(shared.0.try_lock().is_err() && shared.1.try_read().is_err());
        holder.cancel();
        assert!(holder.join().unwrap_err().is_cancelled());
        drop((shared.0.try_lock().unwrap(), shared.1.try_write().unwrap()));
    });
}
