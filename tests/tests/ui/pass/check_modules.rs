//! Modules, types, traits and macros of one's own with the names of what blocks, and paths into them.

#![deny(warnings)]
// Of the code itself.
#![allow(clippy::all)]

#[macro_use]
#[path = "../twice.rs"]
mod twice;

/// Everything that is called here like something of `std`.
mod own {
    pub mod thread {
        pub fn sleep(x: u32) -> u32 {
            x + 1
        }
        pub fn park() -> u32 {
            2
        }
        pub fn spawn<T>(f: impl FnOnce() -> T) -> T {
            f()
        }
    }
    pub mod fs {
        pub struct File(pub u32);
        impl File {
            pub fn open(name: &str) -> Option<Self> {
                Some(Self(name.len() as u32))
            }
            pub fn create<T: AsRef<str>>(name: T) -> Self {
                Self(name.as_ref().len() as u32)
            }
            pub fn options() -> OpenOptions {
                OpenOptions
            }
            pub fn read(&mut self, by: &mut u32) -> u32 {
                *by += 1;
                self.0 += *by;
                self.0
            }
        }
        pub struct OpenOptions;
        impl OpenOptions {
            pub fn open(&self, name: &str) -> File {
                File(name.len() as u32 + 1)
            }
        }
        pub fn read(x: u32) -> u32 {
            x + 3
        }
        pub fn exists<const N: usize>(_: [u8; N]) -> bool {
            N == 0
        }
    }
    pub mod net {
        #[derive(Default)]
        pub struct TcpStream(pub u32);
        impl TcpStream {
            pub fn connect(x: u32) -> Result<Self, ()> {
                Ok(Self(x))
            }
            pub fn write_all(&mut self, x: u32) {
                self.0 += x;
            }
        }
        pub struct TcpListener<T>(pub Vec<T>);
        impl<T: Clone> TcpListener<T> {
            pub fn bind(x: T) -> Self {
                Self(vec![x])
            }
            pub fn incoming(&self) -> impl Iterator<Item = T> + '_ {
                self.0.iter().cloned()
            }
            pub fn accept(&self) -> T {
                self.0[0].clone()
            }
        }
    }
    pub mod io {
        pub trait Read {
            fn read(&self, x: u32) -> u32;
            fn read_to_end(&mut self, x: u32) -> u32 {
                Read::read(self, x) + self.read(x)
            }
            fn open(x: u32) -> Self
            where
                Self: Sized;
        }
        impl Read for u32 {
            fn read(&self, x: u32) -> u32 {
                self + x
            }
            fn open(x: u32) -> Self {
                x
            }
        }
        impl Read for Vec<u32> {
            fn read(&self, x: u32) -> u32 {
                self[0] + x
            }
            fn open(x: u32) -> Self {
                vec![x]
            }
        }
        pub fn copy<R: Read + ?Sized, W: Read + ?Sized>(from: &mut R, to: &mut W) -> u32 {
            from.read(1) + to.read(2)
        }
        pub fn read_to_string(mut from: impl Read) -> String {
            from.read_to_end(1).to_string()
        }
    }
    pub mod sync {
        pub trait Lock {
            type Guard;
            fn lock(&self) -> Self::Guard;
            fn wait(self) -> u32;
        }
        #[derive(Clone, Copy)]
        pub struct Mutex<T, const N: usize = 1>(pub T);
        impl<T: Copy, const N: usize> Lock for Mutex<T, N> {
            type Guard = (T, usize);
            fn lock(&self) -> Self::Guard {
                (self.0, N)
            }
            fn wait(self) -> u32 {
                N as u32
            }
        }
        pub mod mpsc {
            pub struct Receiver(pub Vec<u32>);
            impl Receiver {
                pub fn recv(&mut self) -> Option<u32> {
                    self.0.pop()
                }
            }
            impl IntoIterator for Receiver {
                type Item = u32;
                type IntoIter = std::vec::IntoIter<u32>;
                fn into_iter(self) -> Self::IntoIter {
                    self.0.into_iter()
                }
            }
            impl<'a> IntoIterator for &'a Receiver {
                type Item = &'a u32;
                type IntoIter = std::slice::Iter<'a, u32>;
                fn into_iter(self) -> Self::IntoIter {
                    self.0.iter()
                }
            }
        }
    }
}

mod paths {
    use super::own::io::{self, Read};
    use super::own::sync::{mpsc::Receiver, Lock, Mutex};
    use super::own::{fs, net, thread};
    use fs::File;

    type Alias = File;

    fn generic<T: Read, L: Lock>(mut x: T, lock: L) -> (u32, L::Guard, u32) {
        let sum = T::read(&x, 1) + <T as Read>::read_to_end(&mut x, 2) + Read::read(&T::open(3), 1);
        (sum, L::lock(&lock), <L as Lock>::wait(lock))
    }

    alone! {
        fn modules() -> u32 {
            thread::sleep(1);
            let sum = thread::sleep(1) + thread::park() + thread::spawn(|| fs::read(1)) + fs::read(2);
            let spelled = crate::own::thread::sleep(1) + super::super::own::fs::read(1) + [1].map(fs::read)[0];
            sum + spelled + u32::from(fs::exists([])) + u32::from(fs::exists::<1>([0]))
        }
        fn associated() -> Option<u32> {
            let file = File::open("path")?;
            let created = fs::File::create("name").0 + File::create(String::from("x")).0 + Alias::create("").0;
            let opened = Alias::open("x")?.0 + <File>::open("xy").map_or(0, |file| file.0);
            let options = File::options().open("x").0 + fs::OpenOptions::open(&fs::OpenOptions, "x").0;
            let mapped = Some("abc").and_then(File::open)?.0 + ["a", "b"].map(File::create).len() as u32;
            let (mut file, mut by) = (file, 1);
            file.read(&mut by);
            File::read(&mut file, &mut by);
            let mut stream = net::TcpStream::connect(1).unwrap_or_default();
            stream.write_all(2);
            net::TcpStream::write_all(&mut stream, 3);
            let listener = net::TcpListener::bind(4);
            let texts = net::TcpListener::<&str>::bind("x");
            let mut sum = listener.accept() + texts.accept().len() as u32;
            for x in listener.incoming() {
                sum += x;
            }
            Some(file.0 + created + opened + options + mapped + stream.0 + sum)
        }
        fn traits() -> (String, u32) {
            let (mut number, mut list) = (1_u32, vec![2_u32]);
            Read::read(&number, 1);
            let sum = Read::read(&number, 1) + io::Read::read(&list, 1) + u32::read(&5, 1) + <u32 as Read>::read(&5, 1)
                + <Vec<u32> as io::Read>::open(1).read(1) + Read::read_to_end(&mut number, 1) + <u32>::read(&1, 2)
                + <dyn Read>::read(&number, 1) + <u32 as Read>::open(1);
            let copied = io::copy(&mut number, &mut list) + io::copy::<dyn Read, _>(&mut 1_u32, &mut vec![1]);
            let functions: (fn(&u32, u32) -> u32, fn(u32) -> Vec<u32>) = (Read::read, Read::open);
            let mapped: Vec<u32> = [1, 2].into_iter().map(u32::open).collect();
            let (both, guard, wait) = generic(number, Mutex::<_, 3>('x'));
            let all = format!("{both} {guard:?} {wait} {mapped:?} {}", io::read_to_string(list));
            (all, sum + copied + functions.0(&1, 2) + functions.1(1)[0])
        }
        fn generics() -> (usize, u32) {
            let mutex = Mutex::<u8, 2>(1);
            let (value, size) = Lock::lock(&mutex);
            let (_, other) = <Mutex<u8, 2> as Lock>::lock(&mutex);
            let waited = Lock::wait(mutex) + Mutex::<(), 4>(()).wait() + Mutex::<u8, 2>::wait(mutex);
            (size + other + usize::from(value), waited)
        }
        fn loops() -> u32 {
            let mut receiver = Receiver(vec![1, 2, 3]);
            let mut sum = 0;
            while let Some(x) = receiver.recv() {
                sum += x;
                if sum > 2 {
                    break;
                }
            }
            for x in &receiver {
                sum += x;
            }
            sum += receiver.recv().unwrap_or_default() + Receiver::recv(&mut receiver).unwrap_or_default();
            for x in receiver {
                sum += x;
            }
            sum
        }
        fn core_and_alloc() -> Option<usize> {
            extern crate alloc;
            use core::fmt::Write;
            let mut text = alloc::string::String::new();
            core::write!(text, "{}", core::mem::size_of::<u8>()).ok()?;
            Write::write_char(&mut text, 'x').ok()?;
            core::fmt::Write::write_str(&mut text, "y").ok()?;
            text.write_fmt(core::format_args!("{}", 1)).ok()?;
            let list = alloc::vec![core::cmp::max(1, 2), core::convert::identity(1)];
            core::assert_eq!(list.iter().copied().sum::<usize>(), 3);
            let mut iterator = core::iter::IntoIterator::into_iter(list);
            let first = core::iter::Iterator::next(&mut iterator)?;
            let owned = alloc::borrow::ToOwned::to_owned("x");
            text += &owned;
            Some(text.len() + first + iterator.next()?)
        }
    }

    pub fn all() {
        same!(modules());
        same!(associated());
        same!(traits());
        same!(generics());
        same!(loops());
        same!(core_and_alloc());
    }
}

mod shadowed {
    twice! {
        mod thread {
            pub fn scope<T>(f: impl FnOnce(u32) -> T) -> T {
                f(1)
            }
            pub fn sleep(x: u32) -> u32 {
                x + 1
            }
            pub fn spawn<T>(f: impl FnOnce() -> T) -> T {
                f()
            }
        }
        mod inner {
            use super::thread::{self, sleep as read};
            pub fn all() -> u32 {
                thread::scope(|x| x + read(x)) + thread::spawn(|| read(1))
            }
        }
        pub fn in_sight() -> u32 {
            thread::scope(|x| x) + thread::spawn(|| thread::sleep(1)) + inner::all()
        }
        pub fn in_bodies() -> u32 {
            use std::thread as of_std;
            mod thread {
                pub fn scope(f: impl FnOnce(u32) -> u32) -> u32 {
                    f(2)
                }
            }
            mod fs {
                use crate::own::thread::sleep as exists;
                pub fn read(x: u32) -> u32 {
                    exists(x) + self::write(x)
                }
                fn write(x: u32) -> u32 {
                    x * 2
                }
            }
            use fs::read as metadata;
            of_std::yield_now();
            thread::scope(|x| x) + fs::read(1) + metadata(2)
        }
    }

    pub fn all() {
        same!(in_sight());
        same!(in_bodies());
    }
}

mod macros {
    pub mod named {
        macro_rules! vec_of {
            ($($name:ident),*) => { vec![$(stringify!($name)),*] };
        }
        pub(crate) use vec_of as vec;
    }
    macro_rules! sleep {
        ($x:expr) => {
            $x + 1
        };
        (let $name:ident = $x:expr) => {
            let $name = |y: u32| $x + y;
        };
        (fn $name:ident) => {
            fn $name(x: u32) -> u32 {
                x + 2
            }
        };
        ($name:ident => $x:expr) => {
            $name($x)
        };
    }

    twice! {
        macro_rules! format {
            ($name:ident) => { $name(1) };
        }
        macro_rules! write {
            ($name:ident: $ty:ty) => {{ let $name: $ty = 4; $name }};
            ($($tokens:tt)*) => { std::write!($($tokens)*) };
        }
        fn read(x: u32) -> u32 {
            x + 1
        }
        pub fn like_those_of_std() -> String {
            use std::fmt::Write as _;
            macro_rules! matches {
                ($name:ident) => { $name };
            }
            let park = 3;
            let mut text = std::format!("{} {:?}", format!(read), super::named::vec!(read, open));
            write!(text, "{} {}", matches!(park), write!(read: u8)).unwrap();
            text
        }
        pub fn defining() -> u32 {
            sleep!(let read = 1);
            sleep!(fn open);
            sleep!(open => 1) + read(1) + open(1) + sleep!(read(1)) + {
                macro_rules! sleep {
                    () => { |connect: u32| connect };
                }
                sleep!()(3)
            }
        }
        pub fn with_std() -> (u32, usize) {
            macro_rules! swapped {
                ($a:expr, $b:expr) => {{
                    use std::mem;
                    let (mut a, mut b) = ($a, $b);
                    mem::swap(&mut a, &mut b);
                    std::mem::swap(&mut a, &mut b);
                    (a, b)
                }};
                (mod) => {
                    mod inner {
                        use std::mem::size_of;
                        pub fn size() -> usize { size_of::<u8>() + std::mem::size_of::<u16>() }
                    }
                };
            }
            swapped!(mod);
            (swapped!(std::cmp::max(1, 2), read(1)).0, inner::size())
        }
    }

    pub fn all() {
        same!(like_those_of_std());
        same!(defining());
        same!(with_std());
    }
}

fn main() {
    paths::all();
    shadowed::all();
    macros::all();
}
