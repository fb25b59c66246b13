//! Types that only the call tells, values that stay where they are, and references to constants: what a probe beside them must
//! not disturb.

#![deny(warnings)]
// Of the code itself.
#![allow(non_upper_case_globals, static_mut_refs, irrefutable_let_patterns, clippy::all)]

#[macro_use]
#[path = "../twice.rs"]
mod twice;

use std::fmt::{Debug, Display};
use std::future::Future;

trait Shape {
    fn edges(&self) -> u32;
}
impl Shape for u8 {
    fn edges(&self) -> u32 {
        u32::from(*self)
    }
}
impl Shape for str {
    fn edges(&self) -> u32 {
        self.len() as u32
    }
}
impl Shape for &str {
    fn edges(&self) -> u32 {
        self.len() as u32
    }
}

fn one(x: u64) -> u64 {
    x + 1
}
fn two(x: u64, y: u16) -> u64 {
    x + u64::from(y)
}
fn fill(by: u32, text: &mut String) {
    text.push_str(&by.to_string());
}
fn copy(from: &str, to: &mut String) -> usize {
    to.push_str(from);
    to.len()
}
fn read_to_string(from: Vec<u8>) -> String {
    String::from_utf8(from).unwrap_or_default()
}
fn read(list: impl IntoIterator<Item = u32>) -> u32 {
    list.into_iter().sum()
}
fn open<T: Display + ?Sized>(shown: &T, times: usize) -> String {
    vec![shown.to_string(); times].concat()
}
fn hook(f: Box<dyn Fn(&str) -> usize>) -> usize {
    f("text")
}
fn hooked(f: Box<dyn Fn(&str) -> usize>, more: usize) -> usize {
    f("text") + more
}
fn paired<F: Fn(&str) -> usize>(pair: (F, usize)) -> usize {
    (pair.0)("text") + pair.1
}
fn several(functions: [&dyn Fn(&str) -> usize; 2]) -> usize {
    functions.iter().map(|f| f("text")).sum()
}
fn shapes(list: Vec<Box<dyn Shape>>) -> u32 {
    list.iter().map(|shape| shape.edges()).sum()
}
fn borrowed(list: &[&dyn Shape], and: Option<&dyn Shape>) -> u32 {
    list.iter().chain(&and).map(|shape| shape.edges()).sum()
}
fn at(pointer: *const u32, mutable: *mut u32) -> bool {
    pointer == mutable
}
fn unsized_text(text: &str) -> usize {
    size_of_val(text)
}
fn sum(list: impl Iterator<Item = u32>) -> u32 {
    list.sum()
}
fn made<T: From<u8>>(x: u8) -> T {
    T::from(x)
}
fn either<T: std::str::FromStr + Default>(text: &str, _: u8) -> T {
    text.parse().unwrap_or_default()
}
fn joined<F: Future>(first: F, _: F) -> usize {
    size_of_val(&first).min(1)
}
fn future(x: u32) -> impl Future<Output = u32> {
    async move { x }
}
fn ends(code: u32) -> ! {
    panic!("{code}")
}

alone! {
    fn inferred() -> (u64, String, String) {
        let parsed = "1".parse().unwrap();
        let (mut text, by, short) = (Default::default(), 7, "3".parse().unwrap());
        fill(by, &mut text);
        let sum = one(parsed) + two(parsed, short);
        let mut other = Default::default();
        let from = "x";
        copy(from, &mut other);
        copy(from, &mut other);
        let mut list = Vec::new();
        list.push(Default::default());
        let bytes = "1 2".split(' ').map(|byte| byte.parse().unwrap()).collect();
        let read = read_to_string(bytes).len() + read(list) as usize;
        (sum + read as u64, text, other)
    }
    fn expected() -> (usize, u32) {
        let sum = hook(Box::new(|text| text.len())) + hooked(Box::new(|text| text.len()), 1);
        let more = paired((|text| text.len(), 2)) + several([&|text| text.len(), &|text| text.len() + 1]);
        let edges = shapes(vec![Box::new(3), Box::new("four")]) + borrowed(&[&1, &"two"], Some(&3));
        hook(Box::new(|text| text.len()));
        shapes(vec![Box::new(3), Box::new("four")]);
        (sum + more, edges)
    }
    fn types_of_their_own(list: &[u32]) -> (u32, u64, usize) {
        let first = sum(list.iter().map(|x| x + 1));
        sum(list.iter().map(|x| x + 1));
        let wide: u64 = made(3);
        let text: String = either("text", 1);
        let text = text + &either::<String>("x", 1);
        let wider: u64 = either("5", made(1));
        let mut total = made::<u32>(1);
        total += made::<u32>(2) + sum([1, 2].into_iter().filter(|x| *x > list.len() as u32 - list[0]));
        (first + total, wide + wider, text.len() + joined(future(1), future(2)))
    }
    fn kinds(text: &mut String, list: &[u32]) -> (usize, String) {
        let mut number = 1;
        let same = at(&number, &mut number);
        at(&raw const number, &raw mut number);
        fill(1, text);
        fill(2, text);
        let again = &mut *text;
        copy("a", again);
        copy("b", text);
        let sum = read(list.iter().copied()) + read([1, 2]) + read(Some(3)) + read(list.to_vec());
        (usize::from(same) + unsized_text(text) + sum as usize, open(text, 2) + &open("x", 2) + &open(&3, 1))
    }
    fn diverging(fine: bool) -> u32 {
        let parsed = if fine { 1 } else { ends(2) };
        let Some(sum) = Some(parsed) else { ends(3) };
        "4".parse::<u32>().unwrap_or_else(|_| ends(4)) + sum
    }
}

mod places {
    #[derive(Debug, PartialEq)]
    pub struct State(pub u32, pub Vec<u8>);
    pub static metadata: State = State(1, Vec::new());
    pub static mut write: u32 = 0;
    pub static mut exists: [u32; 2] = [0; 2];
    pub static mut copy: State = State(1, Vec::new());

    alone! {
        fn shared() -> (u32, usize) {
            let reference = &metadata;
            let State(first, list) = &metadata;
            let ref again = metadata;
            let State(second, _) = metadata;
            let third = match metadata {
                State(ref third, _) if *third == 1 => *third,
                State(..) => 0,
            };
            let fourth = if let State(fourth, _) = metadata { fourth } else { 0 };
            let matched = matches!(metadata, State(1, _));
            let changed = State(5, Vec::new());
            let spread = State(metadata.0 + again.0, (metadata.1).clone());
            let field = &raw const metadata.0;
            assert!(!field.is_null() && changed != metadata);
            (reference.0 + first + second + third + fourth + u32::from(matched) + spread.0, list.len() + metadata.1.len())
        }
        fn mutable() -> u32 {
            // SAFETY: nobody else uses them.
            unsafe {
                write = 1;
                write += 1;
                write <<= 2;
                exists[0] = 1;
                exists[1] += write;
                (copy.0, exists[0]) = (copy.0 + 1, 7);
                copy.1.push(1);
                let reference = &mut write;
                *reference += 1;
                let pointer = &raw mut write;
                *pointer += 1;
                let sum = write + exists[0] + exists[1] + copy.0 + copy.1.len() as u32;
                (write, exists, copy) = (0, [0; 2], State(1, Vec::new()));
                sum
            }
        }
    }

    pub fn all() {
        same!(shared());
        same!(mutable());
        assert_eq!(bare::mutable(), 28);
    }
}

mod constants {
    use super::*;

    fn sleep(x: u32) -> u32 {
        x + 1
    }
    fn park(x: u32) -> u32 {
        x + 2
    }
    fn read<T: Default>(_: T) -> T {
        T::default()
    }
    fn takes<T: Debug>(value: &T) -> usize {
        format!("{value:?}").len()
    }
    const EMPTY: String = String::new();

    #[derive(Debug)]
    pub struct Hooks {
        sleep: fn(u32) -> u32,
        times: u32,
    }

    alone! {
        fn function() -> &'static dyn Fn(u32) -> u32 {
            &sleep
        }
        fn table() -> &'static [(&'static str, fn(u32) -> u32)] {
            &[("sleep", sleep), ("park", park), ("read", read)]
        }
        fn structures() -> &'static (Hooks, Option<fn(u32) -> u32>, [&'static dyn Fn(u32) -> u32; 2]) {
            &(Hooks { sleep, times: 1 }, Some(park), [&sleep, &read])
        }
        fn used() -> usize {
            let text = String::from("text");
            let pair = &(sleep as fn(u32) -> u32, text);
            let list: &[fn(u32) -> u32] = &[read, sleep];
            let generic = &read;
            generic(1_u8);
            takes(&("x", EMPTY, sleep(1)));
            takes(&(pair.1.as_str(), pair.0(1))) + list.len() + list[1](1) as usize + [1].iter().map(|x| sleep(*x)).len()
        }
    }

    pub fn all() {
        let results = |table: &[(&str, fn(u32) -> u32)]| table.iter().map(|(_, f)| f(3)).collect::<Vec<_>>();
        assert_eq!(results(checked::table()), results(bare::table()));
        assert_eq!(checked::function()(1), bare::function()(1));
        let results = |all: &(Hooks, Option<fn(u32) -> u32>, [&dyn Fn(u32) -> u32; 2])| {
            [(all.0.sleep)(all.0.times), all.1.map_or(0, |f| f(1)), all.2[0](1), all.2[1](1)]
        };
        assert_eq!(results(checked::structures()), results(bare::structures()));
        same!(used());
    }
}

/// What is taken by value where it is made is not held until the end of the statement.
mod moved {
    use std::future::Future;

    pub struct Own(pub u32);
    pub struct Guard<'a>(&'a mut u32);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            *self.0 += 1;
        }
    }
    impl Guard<'_> {
        fn done(self) -> u32 {
            *self.0
        }
    }
    impl Own {
        fn lock(&mut self) -> Guard<'_> {
            Guard(&mut self.0)
        }
        fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
            Box::new([self.0].into_iter())
        }
        fn send(&mut self, x: u32) -> impl Future<Output = u32> + '_ {
            self.0 += x;
            async { self.0 }
        }
        fn recv<T: Default>(&self) -> T {
            T::default()
        }
        fn wait(&self) -> ! {
            panic!("{}", self.0)
        }
    }
    fn open(own: &mut Own) -> Guard<'_> {
        own.lock()
    }

    twice! {
        pub fn in_statements(mut own: Own) -> u32 {
            let first = own.lock().done() + own.lock().done() + own.iter().sum::<u32>() + own.lock().done();
            let second = open(&mut own).done() + own.lock().done() + [open(&mut own).done(), own.lock().done()][0];
            first + second + own.0
        }
        pub fn in_tails(x: u32) -> u32 {
            let mut own = Own(x);
            own.lock().done()
        }
        pub fn in_async(mut own: Own) -> u32 {
            drop(async move { own.send(1).await + own.send(2).await + own.lock().done() });
            1
        }
        pub fn results(own: Own) -> u64 {
            let number: u64 = own.recv();
            let text: String = own.recv();
            let (list, unit): (Vec<u8>, ()) = (own.recv(), own.recv());
            number + text.len() as u64 + list.len() as u64 + (unit == own.recv::<()>()) as u64
        }
        pub fn diverging(own: Own) -> u32 {
            let number = if own.0 == 2 { own.wait() } else { own.0 };
            let other: u32 = match number {
                3 => own.wait(),
                number => number + 1,
            };
            if other == 7 {
                own.wait()
            }
            Some(other).unwrap_or_else(|| own.wait())
        }
    }

    pub fn all() {
        same!(in_statements(Own(1)));
        same!(in_tails(1));
        same!(in_async(Own(1)));
        same!(results(Own(1)));
        same!(diverging(Own(1)));
    }
}

fn main() {
    moved::all();
    same!(inferred());
    same!(expected());
    same!(types_of_their_own(&[1, 2]));
    same!(kinds(&mut String::from("x"), &[1, 2]));
    same!(diverging(true));
    places::all();
    constants::all();
}
