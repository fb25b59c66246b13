//! Functions, variables and values of one's own with the names of what blocks, each way that they can be defined and
//! called: they compile, and do what they do without the attribute.

#![deny(warnings)]
// Of the code itself.
#![allow(non_upper_case_globals, non_camel_case_types, clippy::all)]

#[macro_use]
#[path = "../twice.rs"]
mod twice;

use std::fmt::Debug;
use std::panic::Location;

/// A function with each name of a free function of the table, in all its forms.
macro_rules! named {
    ($($name:ident)*) => {
        mod named {
            mod functions {
                $(
                    pub fn $name(x: u32) -> u32 {
                        x + 1
                    }
                )*
            }
            use functions::*;

            alone! {
                fn sums() -> Vec<u32> {
                    vec![$({
                        let x = 1;
                        $name(x);
                        let function: fn(u32) -> u32 = $name;
                        let here = functions::$name(x) + self::$name(x) + function(x) + ($name)(x) + { $name }(x);
                        let mapped: Vec<u32> = [x].into_iter().map($name).chain(Some(x).map(functions::$name)).collect();
                        let again = Some($name);
                        assert_eq!($name(x), 2, "{}", $name(x));
                        here + mapped[0] + mapped[1] + again.map_or(0, |$name| $name(x))
                    },)*]
                }
            }

            pub fn all() {
                same!(sums());
                assert!(bare::sums().into_iter().all(|sum| sum == 16));
            }
        }
    };
}

named! {
    sleep sleep_ms sleep_until park park_timeout park_timeout_ms scope canonicalize copy create_dir create_dir_all exists
    hard_link metadata read read_dir read_link read_to_string remove_dir remove_dir_all remove_file rename set_permissions
    soft_link symlink symlink_metadata write chown lchown open create create_new connect connect_timeout bind
    connect_addr bind_addr
}

mod kinds {
    use super::*;

    pub fn generic<T: Debug>(value: T) -> String {
        format!("{value:?}")
    }
    pub fn sleep<T: Default + Debug>() -> T {
        T::default()
    }
    pub fn read<const N: usize>(from: [u8; N]) -> usize {
        N + from.len()
    }
    pub fn open<'a>(name: &'a str, _: &str) -> &'a str {
        name
    }
    pub fn write<T: ?Sized + Debug, U>(what: &T, and: impl FnOnce(&T) -> U) -> (String, U) {
        (format!("{what:?}"), and(what))
    }
    pub fn park() -> impl Fn(u32) -> u32 {
        |x| x + 1
    }
    pub fn rename(x: u32) -> Box<dyn FnOnce(u32) -> u32> {
        Box::new(move |y| x + y)
    }
    pub fn copy(sleep: impl FnOnce(u32) -> u32, park: &dyn Fn(u32) -> u32, scope: &mut impl FnMut(u32)) -> u32 {
        scope(1);
        scope(2);
        park(1);
        sleep(park(3))
    }
    /// # Safety
    ///
    /// There are no conditions.
    pub unsafe fn exists(x: u32) -> bool {
        x == 1
    }
    pub extern "C" fn metadata(x: u32) -> u32 {
        x + 1
    }
    pub const fn chown(x: u32) -> u32 {
        x + 1
    }
    #[must_use]
    pub fn connect(x: u32) -> u32 {
        x + 1
    }
    #[track_caller]
    pub fn bind() -> (u32, u32) {
        (Location::caller().line(), Location::caller().column())
    }
    #[inline(always)]
    pub fn scope(f: impl FnOnce(&str) -> usize) -> usize {
        f("scope")
    }
    #[derive(Debug, PartialEq)]
    pub struct read_dir(pub u32);
    #[derive(Debug, PartialEq)]
    pub enum Link {
        read_link(u32),
        symlink,
    }
    pub static create: fn(u32) -> u32 = |x| x + 1;
    pub const create_new: fn(u32) -> u32 = |x| x + 1;
    pub const create_dir: u32 = 5;

    // SAFETY: both are those of libc.
    unsafe extern "C" {
        pub safe fn labs(x: i64) -> i64;
        pub fn strlen(text: *const std::ffi::c_char) -> usize;
    }
}

mod of_kinds {
    use super::kinds::*;
    use super::*;

    alone! {
        fn generics() -> String {
            let x: u32 = sleep();
            sleep::<()>();
            let list = sleep::<Vec<u32>>();
            let texts = [1, 2].map(generic);
            let named: fn(u8) -> String = generic;
            let length = read([1, 2]) + read::<3>([0; 3]) + [[1], [2]].map(read).len();
            let tuple = write(&[1][..], |list| list.len());
            write("text", |_| ());
            let explicit = open;
            format!("{x} {list:?} {texts:?} {} {length} {tuple:?}", named(9)) + {
                fn explicit_text() -> &'static str {
                    "nine"
                }
                explicit("x", "");
                explicit_text()
            }
        }
        fn borrowed(owner: &str) -> &str {
            let local = String::from("x");
            open(owner, &local);
            let function = open;
            let opened = function(owner, &local);
            let higher: for<'a> fn(&'a str, &str) -> &'a str = open;
            higher(opened, "y");
            open(opened, &local)
        }
        fn functions_of_functions() -> u32 {
            let mut sum = 0;
            let park_here = park();
            let all = copy(|x| x + 1, &park(), &mut |x| sum += x);
            let more = copy(park(), &|x| x, &mut |_| ()) + copy(rename(1), &park_here, &mut drop);
            all + sum + more + park()(1) + rename(1)(2) + (park)()(2)
        }
        fn qualified() -> usize {
            // SAFETY: it has no conditions; the text ends.
            let length = unsafe {
                exists(1);
                if exists(1) { strlen(c"four".as_ptr()) } else { 0 }
            };
            labs(-1);
            let pointer = metadata as extern "C" fn(u32) -> u32;
            let _ = connect(1);
            const EVALUATED: u32 = chown(1);
            let array = [0; chown(2) as usize];
            length + array.len() + (EVALUATED + metadata(1) + connect(2) + chown(1) + pointer(1)) as usize
                + labs(-3) as usize + scope(|text| text.len()) + scope(str::len)
        }
        fn of_structs_and_enums() -> (Vec<read_dir>, Vec<Link>) {
            use Link::{read_link, symlink};
            (
                [1, 2].into_iter().map(read_dir).chain([read_dir(3)]).collect(),
                vec![read_link(1), symlink, Some(2).map(read_link).unwrap(), Link::read_link(3)],
            )
        }
        fn of_statics_and_constants() -> u32 {
            create(1);
            let pointer = create;
            let at = &create_dir;
            let index = [1, 2, 3, 4, 5, 6][create_dir as usize];
            create(2) + create_new(1) + create_dir + pointer(1) + at + index + super::kinds::create_dir
        }
        fn places_of_callers() -> Vec<(u32, u32)> {
            bind();
            let all = vec![bind(), super::kinds::bind(), (bind)(), self::bind(),   bind()];
            all
        }
    }

    pub fn all() {
        same!(generics());
        same!(borrowed("owner"));
        same!(functions_of_functions());
        same!(qualified());
        same!(of_structs_and_enums());
        same!(of_statics_and_constants());
        same!(places_of_callers());
    }
}

mod locals {
    type Hook = Box<dyn Fn(u32) -> u32>;

    pub struct Hooks {
        pub sleep: fn(u32) -> u32,
        pub open: Hook,
    }

    pub trait Runs {
        fn runs(self) -> u32;
    }
    impl<F: FnOnce() -> u32> Runs for F {
        fn runs(self) -> u32 {
            self()
        }
    }

    twice! {
        pub fn closures(by: u32) -> u32 {
            let mut total = 0;
            let sleep = |x: u32| x + by;
            let mut read = |x| {
                total += sleep(x);
                total
            };
            let moved = String::from("moved");
            let spawn = move || moved.len() as u32;
            let once = String::from("once");
            let join = || drop(once);
            read(1);
            join();
            let copy = &sleep;
            let park: &dyn Fn() -> u32 = &spawn;
            let exists: Box<dyn FnOnce(u32) -> u32> = Box::new(|x| x);
            sleep(1) + read(2) + spawn() + copy(1) + (*copy)(2) + park() + exists(4) + spawn.runs() + total
        }
        pub fn arguments(sleep: impl FnOnce(u32) -> u32, read: &dyn Fn(u32) -> u32, mut write: Box<dyn FnMut(u32)>) -> u32 {
            write(1);
            read(1);
            let sum = read(2) + [1].map(read)[0];
            write(sum);
            sleep(sum)
        }
        pub fn bound(hooks: Option<Hooks>, pair: (fn(u32) -> u32, u32)) -> u32 {
            let Some(Hooks { sleep, open }) = hooks else { return 0 };
            let (connect, write) = pair;
            let [park, _] = [sleep, connect];
            let first = match Some(open) {
                Some(metadata) if metadata(1) == 3 => metadata(write),
                Some(rename) => rename(2),
                None => 0,
            };
            let second = if let Some(exists) = Some(connect) { exists(1) } else { 0 };
            let mut third = 0;
            for canonicalize in [sleep, connect, park] {
                third += canonicalize(1);
            }
            while let Some(copy) = Some(sleep) {
                third += copy(1);
                break;
            }
            let closure = |(read, write): (fn(u32) -> u32, u32)| read(write);
            first + second + third + closure((sleep, 1)) + connect(1)
        }
        pub fn fields(hooks: &Hooks) -> u32 {
            (hooks.sleep)(1);
            let Hooks { sleep, .. } = *hooks;
            let other = Hooks { sleep, open: Box::new(sleep) };
            let shared = &hooks.open;
            (hooks.open)(1) + (other.sleep)(2) + (other.open)(3) + shared(1)
        }
        pub fn nested(x: u32) -> u32 {
            fn sleep(x: u32) -> u32 {
                fn read(x: u32) -> u32 {
                    x + 1
                }
                read(x) + read(1)
            }
            let first = sleep(x) + later(x);
            fn later(x: u32) -> u32 {
                write(x)
            }
            {
                fn sleep(_: u32) -> u32 {
                    100
                }
                sleep(first)
            }
        }
        fn write(x: u32) -> u32 {
            if x == 0 { 7 } else { write(x - 1) + 1 }
        }
        pub fn recursive(read: u32) -> Box<dyn Iterator<Item = u32>> {
            if read == 0 {
                return Box::new(std::iter::empty());
            }
            Box::new(recursive(read - 1).chain([read]))
        }
        pub fn hooks(by: u32) -> Hooks {
            fn sleep(x: u32) -> u32 {
                x + 2
            }
            let open: Hook = Box::new(move |x| x + by);
            Hooks { sleep, open }
        }
        pub fn chosen(which: u32) -> u32 {
            fn sleep(x: u32) -> u32 {
                x + 2
            }
            let function = match which {
                0 => sleep,
                1 => write,
                _ => |x| x,
            };
            let list = [sleep, write, function];
            let boxed: [Box<dyn Fn(u32) -> u32>; 2] = [Box::new(sleep), Box::new(write)];
            let other = if which == 0 { sleep } else { write };
            list.iter().map(|read| read(which)).sum::<u32>() + boxed.iter().map(|open| open(1)).sum::<u32>() + other(1)
        }
    }

    pub fn all() {
        same!(closures(3));
        same!(arguments(|x| x + 1, &|x| x * 2, Box::new(|_| ())));
        same!(bound(Some(bare::hooks(1)), (|x| x + 1, 7)));
        same!(fields(&checked::hooks(3)));
        same!(nested(1));
        assert_eq!(checked::recursive(4).collect::<Vec<_>>(), bare::recursive(4).collect::<Vec<_>>());
        same!(chosen(0));
        same!(chosen(1));
        same!(chosen(2));
    }
}

fn main() {
    named::all();
    of_kinds::all();
    locals::all();
}
