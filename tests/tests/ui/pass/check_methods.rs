//! Types of one's own whose methods are called as the blocking ones of std, each name in each kind of receiver.

#![deny(warnings)]
// Of the definitions.
#![allow(
    clippy::wrong_self_convention,
    clippy::should_implement_trait,
    clippy::boxed_local,
    clippy::redundant_allocation
)]

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

/// For each name: types with such a method, and a function that calls all of them, as statements and as values.
macro_rules! look_alikes {
    ($($name:ident($($argument:ident)*);)*) => {
        $(
            #[fiber::check]
            mod $name {
                use super::*;

                #[derive(Clone, Copy)]
                struct Copied(u32);
                impl Copied {
                    fn $name(self, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Value(u32);
                impl Value {
                    fn $name(self, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Shared(u32);
                impl Shared {
                    fn $name(&self, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Unique(u32);
                impl Unique {
                    fn $name(&mut self, $($argument: u32)*) -> u32 { self.0 += 1; self.0 - 1 $(+ $argument)* }
                }
                struct Boxed(u32);
                impl Boxed {
                    fn $name(self: Box<Self>, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Counted(u32);
                impl Counted {
                    fn $name(self: Rc<Self>, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Sent(u32);
                impl Sent {
                    fn $name(self: &Arc<Self>, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                struct Pinned(u32);
                impl Pinned {
                    fn $name(self: Pin<&mut Self>, $($argument: u32)*) -> u32 { self.0 $(+ $argument)* }
                }
                trait Named {
                    fn $name(&self, $($argument: u32)*) -> u32;
                }
                impl Named for u32 {
                    fn $name(&self, $($argument: u32)*) -> u32 { *self $(+ $argument)* }
                }
                impl Named for str {
                    fn $name(&self, $($argument: u32)*) -> u32 { u32::from(!self.is_empty()) $(+ $argument)* }
                }
                impl<T: Named> Named for [T] {
                    fn $name(&self, $($argument: u32)*) -> u32 { Named::$name(&self[0], $($argument)*) }
                }
                struct Outer {
                    value: Value,
                    shared: Shared,
                    unique: Unique,
                    list: Vec<Shared>,
                }
                struct Wrapping<T>(T);
                impl<T: Named> Wrapping<T> {
                    fn $name(&self, $($argument: u32)*) -> u32 { self.0.$name($($argument)*) }
                }

                fn generic<T: Named + ?Sized>(named: &T, $($argument: u32)*) -> u32 {
                    named.$name($($argument)*);
                    named.$name($($argument)*) - Named::$name(named, $($argument)*) + T::$name(named, $($argument)*)
                }
                fn hidden(named: impl Named, $($argument: u32)*) -> u32 {
                    named.$name($($argument)*);
                    let shared = &named;
                    shared.$name($($argument)*)
                }
                fn dynamic(named: &dyn Named, $($argument: u32)*) -> u32 {
                    named.$name($($argument)*);
                    (*named).$name($($argument)*)
                }
                fn boxed(named: Box<dyn Named + Send>, $($argument: u32)*) -> u32 {
                    named.$name($($argument)*);
                    named.$name($($argument)*)
                }

                pub(super) fn all() -> u32 {
                    $(let $argument = 0;)*
                    let mut sum = 0;
                    let copied = Copied(1);
                    copied.$name($($argument)*);
                    sum += copied.$name($($argument)*);
                    Value(1).$name($($argument)*);
                    let value = Value(1);
                    sum += value.$name($($argument)*);
                    let shared = Shared(1);
                    shared.$name($($argument)*);
                    sum += shared.$name($($argument)*) + Shared::$name(&shared, $($argument)*);
                    let mut unique = Unique(1);
                    unique.$name($($argument)*);
                    unique.0 -= 1;
                    sum += unique.$name($($argument)*) + Unique::$name(&mut Unique(1), $($argument)*);
                    let borrowed = &mut unique;
                    borrowed.$name($($argument)*);
                    borrowed.0 = 1;
                    sum += borrowed.$name($($argument)*);
                    let own = Box::new(Boxed(1));
                    sum += own.$name($($argument)*);
                    let counted = Rc::new(Counted(1));
                    counted.clone().$name($($argument)*);
                    sum += counted.$name($($argument)*);
                    let sent = Arc::new(Sent(1));
                    sent.$name($($argument)*);
                    sum += sent.$name($($argument)*);
                    let mut pinned = Pinned(1);
                    let mut pin = Pin::new(&mut pinned);
                    pin.as_mut().$name($($argument)*);
                    sum += pin.$name($($argument)*);
                    let mut outer = Outer { value: Value(1), shared: Shared(1), unique: Unique(1), list: vec![Shared(1)] };
                    outer.shared.$name($($argument)*);
                    outer.list[0].$name($($argument)*);
                    sum += outer.shared.$name($($argument)*) + outer.list[sum as usize - sum as usize].$name($($argument)*);
                    sum += outer.unique.$name($($argument)*) + outer.value.$name($($argument)*);
                    sum += generic(&1, $($argument)*) + generic("a", $($argument)*) + generic(&[1_u32][..], $($argument)*);
                    sum += hidden(1, $($argument)*) + dynamic(&1, $($argument)*) + boxed(Box::new(1), $($argument)*);
                    sum += Wrapping(1).$name($($argument)*) + Named::$name("text", $($argument)*);
                    sum += Named::$name(&[1_u32][..], $($argument)*) + <[u32] as Named>::$name(&[1], $($argument)*);
                    let pointer = &raw const shared;
                    // SAFETY: it points to a variable.
                    sum + unsafe { (*pointer).$name($($argument)*) }
                }
            }
        )*

        const ALL: &[(&str, fn() -> u32)] = &[$((stringify!($name), $name::all)),*];
    };
}

look_alikes! {
    accept(); bytes(); canonicalize(); exists(); fill_buf(); flush(); incoming(); into_inner(); into_iter(); is_dir(); is_file();
    is_symlink(); iter(); join(); lines(); lock(); lock_shared(); metadata(); next(); output(); read_dir(); read_link(); recv();
    spawn(); status(); symlink_metadata(); sync_all(); sync_data(); to_socket_addrs(); try_exists(); wait_force();
    wait_with_output(); call_once(x); connect(x); create(x); force(x); get_or_init(x); open(x); peek(x); peek_from(x);
    read(x); read_exact(x); read_line(x); read_to_end(x); read_to_string(x); read_vectored(x); recv_from(x); recv_timeout(x);
    send(x); set(x); set_len(x); set_modified(x); set_permissions(x); set_times(x); skip_until(x); split(x); wait(x); write(x);
    write_all(x); write_fmt(x); write_vectored(x); sleep(x); park(); connect_addr(x); bind(x); copy(x); rename(x);
}

fn main() {
    for (name, all) in ALL {
        assert_eq!(all(), 26, "{name}");
    }
}
