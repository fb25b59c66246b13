//! Tasks with every kind of argument and result: called, and spawned.

#![allow(clippy::too_many_arguments, clippy::multiple_bound_locations)]

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Read;

#[fiber::task]
fn plain() {}

#[fiber::task]
fn patterns(
    (a, b): (u8, u8),
    [first, ..]: [u32; 3],
    mut text: String,
    _: char,
    &n: &u8,
    (whole @ Some(_) | whole @ None): Option<u8>,
) -> usize {
    text.push('!');
    text.len() + usize::from(a + b) + first as usize + usize::from(n) + usize::from(whole.unwrap_or(0))
}

struct Url(String);

#[fiber::task]
fn destructured(Url(text): Url) -> String {
    text
}

#[fiber::task]
fn generic<T: Clone + Default, const N: usize>(items: [T; N], extra: impl Into<T>) -> Vec<T>
where
    T: PartialEq,
{
    let mut items = items.to_vec();
    items.push(extra.into());
    items.push(T::default());
    items
}

#[fiber::task]
fn only_the_result_is_generic<T: Default>() -> T {
    T::default()
}

#[fiber::task]
fn nested_impl(readers: Vec<impl Read>, pairs: Option<(impl Display, u8)>) -> usize {
    let read = readers.into_iter().map(|mut reader| reader.read_to_end(&mut Vec::new()).unwrap()).sum::<usize>();
    read + pairs.map_or(0, |(text, _)| text.to_string().len())
}

#[fiber::task]
fn opaque<T: Clone>(item: T, count: usize, label: &str) -> impl Iterator<Item = T> {
    assert_eq!(label, "label");
    std::iter::repeat_n(item, count)
}

#[fiber::task]
fn elided(text: &str, numbers: &mut [u8], boxed: Box<dyn Fn(&str) -> usize + Send + '_>) -> usize {
    numbers.len() + boxed(text)
}

#[fiber::task]
fn named<'a, 'b: 'a>(first: &'a str, second: &'b str, call: fn(&'a str) -> &'a str) -> &'a str
where
    'b: 'a,
{
    if first.is_empty() {
        second
    } else {
        call(first)
    }
}

#[fiber::task]
fn first_word(text: &str) -> Option<&str> {
    text.split(' ').next()
}

#[fiber::task]
fn callback(call: impl for<'x> Fn(&'x str) -> &'x str, other: impl Fn(&u8) -> u8) -> usize {
    call("four").len() + usize::from(other(&1))
}

#[fiber::task]
fn r#match(r#type: u8) -> u8 {
    r#type
}

#[fiber::task]
fn same_name(same_name: u8, spawn: u8, scope: u8, this: u8) -> u8 {
    same_name + spawn + scope + this
}

#[fiber::task]
fn never(stop: bool) -> ! {
    assert!(!stop, "stopped");
    loop {
        fiber::park();
    }
}

#[fiber::task]
fn fallible(text: String) -> Result<u32, std::num::ParseIntError> {
    let number = text.parse()?;
    Ok(number)
}

/// # Safety
///
/// `pointer` has to be valid.
#[fiber::task]
unsafe fn read_it(pointer: &u8) -> u8 {
    // SAFETY: a reference is valid, and a byte may be copied.
    unsafe { std::ptr::from_ref(pointer).read() }
}

#[fiber::task]
extern "Rust" fn many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: u8,
    o: u8,
    p: u8,
) -> u32 {
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].into_iter().map(u32::from).sum()
}

#[fiber::task]
fn big_type(map: HashMap<String, Vec<Result<u8, String>>>) -> HashMap<String, Vec<Result<u8, String>>> {
    map
}

#[fiber::main]
fn main() {
    plain();
    plain::spawn().join().unwrap();

    assert_eq!(patterns((1, 2), [3, 4, 5], "abc".into(), 'x', &1, None), 11);
    assert_eq!(patterns::spawn((1, 2), [3, 4, 5], "abc".into(), 'x', &1, Some(1)).join().unwrap(), 12);
    assert_eq!(destructured::spawn(Url("here".into())).join().unwrap(), "here");

    assert_eq!(generic(["a".to_string()], "b"), ["a", "b", ""]);
    assert_eq!(generic::spawn([1u32, 2], 3u16).join().unwrap(), [1, 2, 3, 0]);
    assert_eq!(only_the_result_is_generic::spawn::<u8>().join().unwrap(), 0);
    let text: String = only_the_result_is_generic::spawn().join().unwrap();
    assert_eq!(text, "");
    assert_eq!(nested_impl::spawn(vec![std::io::empty()], Some(("four", 1))).join().unwrap(), 4);
    assert_eq!(opaque::spawn('x', 3, "label").join().unwrap().collect::<String>(), "xxx");

    static WORDS: &str = "two words";
    let leaked = Box::leak(Box::new([0; 3]));
    assert_eq!(elided::spawn(WORDS, leaked, Box::new(str::len)).join().unwrap(), 12);
    assert_eq!(named::spawn("", WORDS, str::trim).join().unwrap(), WORDS);
    assert_eq!(first_word::spawn(WORDS).join().unwrap(), Some("two"));
    assert_eq!(callback::spawn(str::trim, |x: &u8| *x).join().unwrap(), 5);

    assert_eq!(r#match::spawn(r#match(3)).join().unwrap(), 3);
    assert_eq!(same_name::spawn(1, 2, 3, 4).join().unwrap(), 10);
    let stopped: fiber::JoinHandle<std::convert::Infallible> = never::spawn(true);
    assert!(stopped.join().is_err());
    assert!(fallible::spawn("x".into()).join().unwrap().is_err());
    // SAFETY: a reference to a static.
    assert_eq!(unsafe { read_it::spawn(&7) }.join().unwrap(), 7);
    assert_eq!(many::spawn(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).join().unwrap(), 16);
    assert!(big_type::spawn(HashMap::new()).join().unwrap().is_empty());
}
