//! Every form of expression and statement around calls with the names of what blocks: the walk goes through all of them, and
//! changes nothing.

#![deny(warnings)]
// Of the code itself.
#![allow(irrefutable_let_patterns, clippy::all)]

#[macro_use]
#[path = "../twice.rs"]
mod twice;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What blocks by its names, and only counts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Own(u32);

impl Own {
    fn lock(&self) -> Option<u32> {
        (self.0 > 0).then_some(self.0)
    }
    fn recv(&mut self) -> Result<u32, String> {
        self.0 = self.0.checked_sub(1).ok_or("empty")?;
        Ok(self.0)
    }
    fn read(&mut self, by: u32) -> &mut Self {
        self.0 += by;
        self
    }
    fn join(self) -> Vec<u32> {
        vec![self.0; 2]
    }
    fn wait<T>(&self, then: impl FnOnce(u32) -> T) -> T {
        then(self.0)
    }
    async fn send(&mut self, x: u32) -> u32 {
        self.0 += x;
        self.0
    }
}

fn sleep(x: u32) -> u32 {
    x + 1
}

fn open(name: &str) -> Result<Own, String> {
    if name.is_empty() {
        Err("no name".to_owned())
    } else {
        Ok(Own(name.len() as u32))
    }
}

async fn connect(x: u32) -> u32 {
    x + 1
}

/// The value of a future that is never pending.
fn polled<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

mod statements {
    use super::*;

    twice! {
        pub fn let_else(own: Own, name: &str) -> Result<u32, String> {
            let Some(x) = own.lock() else { return Ok(0) };
            let Ok(mut opened) = open(name) else {
                return open("").map(|own| own.0);
            };
            let (Some(y), 1..) = (opened.lock(), sleep(x)) else { panic!("{}", sleep(1)) };
            let [first, .., last] = opened.clone().join()[..] else { return Err("few".into()) };
            let Own(rest) = opened.read(1) else { return Ok(1) };
            Ok(x + y + first + last + *rest)
        }
        pub fn labels(mut own: Own) -> Vec<u32> {
            let mut seen = Vec::new();
            let found = 'all: loop {
                'outer: while let Some(x) = own.lock() {
                    for y in own.clone().join() {
                        match own.recv() {
                            Ok(z) if z % 3 == 0 => continue 'outer,
                            Ok(z) => seen.push(x + y + z),
                            Err(_) => break 'outer,
                        }
                        if sleep(y) == 3 {
                            break 'all own.0;
                        }
                    }
                    seen.push(sleep(100));
                }
                break own.lock().unwrap_or(77);
            };
            let value = 'block: {
                if own.lock().is_none() {
                    break 'block sleep(1);
                }
                let Ok(x) = own.recv() else { break 'block 0 };
                x + sleep(2)
            };
            seen.extend([found, value]);
            seen
        }
        pub fn late(which: bool) -> u32 {
            let own;
            let (mut lock, read);
            if which {
                own = open("name").unwrap();
                lock = own.lock();
            } else {
                own = Own(2);
                lock = None;
            }
            read = lock.take().map(sleep);
            let text: String;
            text = own.wait(|x| x.to_string());
            read.unwrap_or(7) + text.len() as u32
        }
        pub fn assignments(own: &mut Own) -> (u32, Vec<u32>) {
            let (mut a, mut b, mut list) = (0, 1, vec![1, 2, 3]);
            (a, b) = (b, sleep(a));
            [a, _] = [sleep(b), a];
            Own(b) = Own(sleep(b));
            list[sleep(0) as usize] += own.read(1).0;
            list[0] = own.lock().unwrap_or_default();
            *own.read(2) = Own(a);
            own.0 <<= own.lock().unwrap_or(1);
            own.read(1).0 += sleep(own.0);
            (a * 100 + b, list)
        }
        #[allow(unused_variables, unused_mut, clippy::let_unit_value)]
        pub fn attributes(mut own: Own) -> u32 {
            #[cfg(any())]
            own.this_does_not_exist().lock();
            #[cfg(any())]
            let own = std::thread::park();
            #[cfg(not(any()))]
            own.read(1);
            #[allow(clippy::all)]
            let x = own.lock();
            #[rustfmt::skip]
            own.read(2).read(3);
            let y = match own.recv() {
                #[cfg(any())]
                Ok(nothing) => nothing.lock(),
                Ok(x) => x,
                #[allow(unreachable_patterns)]
                Err(_) => 0,
            };
            let list = Own(#[cfg(not(any()))] 1);
            {
                #![allow(unused)]
                sleep(y) + list.lock().unwrap_or(0)
            }
        }
        pub fn nothing(own: &mut Own) {
            own.read(1);
            {}
            (own.read(1));
            { own.read(1); }
            if own.lock().is_some() { own.read(1); }
            let _ = { own.read(2); };
            let () = own.wait(|_| ());
            own.wait(|_| ())
        }
    }

    pub fn all() {
        same!(let_else(Own(1), "name"));
        same!(let_else(Own(1), ""));
        same!(let_else(Own(0), "name"));
        (1..12).for_each(|x| same!(labels(Own(x))));
        same!(late(true));
        same!(late(false));
        same!(assignments(&mut Own(1)));
        same!(attributes(Own(1)));
        let (mut own, mut other) = (Own(1), Own(1));
        (checked::nothing(&mut own), bare::nothing(&mut other));
        assert_eq!(own, other);
    }
}

mod expressions {
    use super::*;

    twice! {
        pub fn patterns(own: Own, list: &[Own]) -> u32 {
            let mut sum = match own.lock() {
                Some(lock @ (1 | 2)) if own.wait(|x| x == lock) => sleep(lock),
                Some(read) if let_guard(read) => read,
                Some(0) | None => 100,
                Some(_) => 200,
            };
            for (index, Own(join)) in list.iter().enumerate().skip(sleep(0) as usize) {
                sum += join + index as u32;
            }
            if let [first, rest @ ..] = list {
                sum += first.lock().map_or(0, |lock| lock + rest.len() as u32);
            }
            let closure = |&Own(read): &Own, (open, [write, ..]): (u32, [u32; 3])| read + open + write;
            sum + closure(&own, (1, [sleep(1), 2, 3]))
        }
        fn let_guard(x: u32) -> bool {
            matches!(Own(x).lock(), Some(lock) if lock > 5 && sleep(lock) > 1)
        }
        pub fn operators(mut own: Own) -> Option<(u32, bool)> {
            let sum = -(own.lock()? as i64) + !own.recv().ok()? as i64 + (own.read(3).0 as i64 & 7) - i64::from(sleep(1));
            let short = own.lock().is_some() && own.recv().is_ok() || own.read(1).0 == 1;
            let range = own.lock()?..=sleep(own.lock()?);
            let open_range = own.lock()?..;
            let indexed = [1, 2, 3, 4][sleep(0) as usize] + own.clone().join()[(own.lock()? & 1) as usize];
            let nested = if { own.read(1); own.lock() }.is_some() { [sleep(1); 3] } else { [sleep(2), 0, 1] };
            let text = (own.lock()?, &own.lock(), [own.lock(); 1]).0 + *&nested[0];
            Some(((sum.unsigned_abs() % 1000) as u32 + indexed + text + range.count() as u32 + open_range.start, short))
        }
        pub fn nested(own: &mut Own) -> u32 {
            own.read(own_of(own).lock().unwrap_or(own.0)).read(sleep(sleep(sleep(1))))
                .read(Own(3).wait(|x| Own(x).wait(|y| sleep(x + y))));
            let list: Vec<_> = (0..3).map(|x| Own(x).lock().map(sleep).map_or_else(|| sleep(9), |x| x)).collect();
            own.lock().into_iter().chain(list).sum()
        }
        fn own_of(own: &Own) -> Own {
            own.clone()
        }
        pub fn question_marks(name: &str) -> Result<u32, String> {
            let mut own = open(name)?;
            let first = open(name)?.recv()? + own.read(1).recv()?;
            let result = (|| -> Result<u32, String> { Ok(own.recv()? + open("x")?.lock().ok_or("none")?) })();
            Ok(first + result? + open(name).map_err(|error| error + "!")?.lock().ok_or_else(|| "none".to_owned())?)
        }
        pub fn closures(mut own: Own) -> (u32, Vec<u32>) {
            let mut text = String::new();
            let by_ref = || own.lock().unwrap_or(0);
            let mut sum = by_ref() + by_ref();
            let mut by_mut = |x| {
                own.read(x);
                write!(text, "{x}").unwrap();
            };
            by_mut(1);
            by_mut(2);
            let moved = own.clone();
            let by_move = move || moved.join();
            let nested = |x: u32| move |y: u32| sleep(x) + sleep(y);
            sum += nested(1)(2) + (|x| sleep(x))(1);
            let recursive = fixed(|this, x| if x == 0 { sleep(0) } else { this(x - 1) + 1 });
            let mut disjoint = (Own(1), Own(2));
            let first = &mut disjoint.0;
            let second = || disjoint.1.lock();
            first.read(1);
            sum += second().unwrap_or(0) + recursive(3) + text.len() as u32;
            (sum, [own.join(), by_move()].concat())
        }
        fn fixed(f: fn(&dyn Fn(u32) -> u32, u32) -> u32) -> impl Fn(u32) -> u32 {
            fn call(f: fn(&dyn Fn(u32) -> u32, u32) -> u32, x: u32) -> u32 {
                f(&|x| call(f, x), x)
            }
            move |x| call(f, x)
        }
        pub fn never_awaited() -> usize {
            let future = async { connect(1).await + sleep(1) };
            let moved = async move { Own(1).send(2).await };
            drop(moved);
            size_of_val(&future).min(1)
        }
        pub fn awaited(mut own: Own) -> u32 {
            let sum = polled(async {
                let read = connect(sleep(1)).await;
                own.send(read).await;
                let lock = own.lock().unwrap_or(0) + own.send(own.0).await;
                match own.send(1).await {
                    0 => 1,
                    x if own.lock().is_some() => x + connect(own.lock().unwrap_or(1)).await,
                    _ => lock,
                }
            });
            let closure = async |x: u32| own.send(x).await + connect(x).await;
            let sent = requires_send(async move { connect(1).await + Own(2).send(connect(3).await).await });
            sum + polled(closure_of(closure)) + polled(sent)
        }
        async fn closure_of(mut f: impl AsyncFnMut(u32) -> u32) -> u32 {
            f(1).await + f(2).await
        }
        fn requires_send<F: Future + Send>(future: F) -> F {
            future
        }
        pub async fn in_async(mut own: Own) -> Result<u32, String> {
            let x = own.send(1).await + own.recv()?;
            Ok(x + open("x")?.send(sleep(1)).await + own.lock().ok_or("none")?)
        }
        pub fn constants() -> (usize, u32) {
            const fn read(x: usize) -> usize {
                x + 1
            }
            const LENGTH: usize = read(2);
            static LIST: [u8; read(1)] = [0; read(1)];
            enum Sizes {
                Small = read(3) as isize,
            }
            let array = [0_u8; read(LENGTH)];
            let block = const { read(5) };
            let generic = sized::<{ read(6) }>() + sized::<3>();
            (array.len() + LIST.len() + block + generic + Sizes::Small as usize, array.iter().map(|x| u32::from(*x)).sum())
        }
        fn sized<const N: usize>() -> usize {
            [Own(1), Own(N as u32)].map(|own| own.lock().unwrap_or(0)).len() + N
        }
    }

    pub fn all() {
        (0..9).for_each(|x| same!(patterns(Own(x), &[Own(1), Own(2)])));
        (0..4).for_each(|x| same!(operators(Own(x))));
        same!(nested(&mut Own(1)));
        same!(question_marks("name"));
        same!(question_marks(""));
        same!(closures(Own(2)));
        same!(never_awaited());
        same!(awaited(Own(1)));
        assert_eq!(polled(checked::in_async(Own(1))), polled(bare::in_async(Own(1))));
        same!(constants());
    }
}

mod items {
    use super::*;

    twice! {
        pub fn in_bodies(r#match: u32) -> (u32, String) {
            #[derive(Clone, Debug, Default)]
            struct Mutex<T> {
                lock: T,
                r#try: u32,
            }
            impl<T: Clone + Default> Mutex<T> {
                const OPEN: u32 = 4;
                fn lock(&mut self) -> T {
                    self.read().clone()
                }
                fn read(&self) -> &T {
                    &self.lock
                }
                fn open<U>(lock: T, _: U) -> Self {
                    let r#try = Self::OPEN;
                    Self { lock, r#try }
                }
                fn wait<U: From<u32>>(&self) -> U {
                    U::from(self.r#try)
                }
                fn swap(&mut self, lock: T) -> Self
                where
                    Self: Sized,
                {
                    Self { lock: std::mem::replace(&mut self.lock, lock), ..Self::default() }
                }
            }
            trait Sleep {
                fn sleep(&self) -> u32 {
                    self.park() + Self::connect()
                }
                fn park(&self) -> u32;
                fn connect() -> u32;
            }
            impl<T> Sleep for Mutex<T> {
                fn park(&self) -> u32 {
                    self.r#try
                }
                fn connect() -> u32 {
                    fn accept(x: u32) -> u32 {
                        sleep(x)
                    }
                    accept(1)
                }
            }
            impl Drop for Own2 {
                fn drop(&mut self) {
                    self.0.lock();
                    self.0.lock().push('x');
                }
            }
            struct Own2(Mutex<String>);
            fn r#loop(r#fn: u32) -> u32 {
                sleep(r#fn)
            }
            let mut mutex = Mutex::open(String::from("x"), 1);
            let mut second = mutex.swap("y".into());
            drop(Own2(second.clone()));
            let r#while = |r#in: u32| r#loop(r#in) + r#match;
            let sum: u32 = mutex.wait::<u32>() + r#while(1) + mutex.sleep() + <Mutex<()> as Sleep>::connect();
            let wide: u64 = second.wait();
            (sum + wide as u32, mutex.lock() + &second.lock() + mutex.read())
        }
        pub fn modules() -> u32 {
            mod sync {
                pub struct Queue(pub super::VecDeque<u32>);
                impl Iterator for Queue {
                    type Item = u32;
                    fn next(&mut self) -> Option<u32> {
                        self.0.pop_front()
                    }
                }
                impl Queue {
                    pub fn recv(&mut self) -> Option<u32> {
                        Iterator::next(self).or_else(|| self.next())
                    }
                }
            }
            let mut queue = sync::Queue(VecDeque::from([1, 2, 3, 4, 5]));
            let mut sum = queue.recv().unwrap_or(0) + queue.next().unwrap_or(0);
            for x in queue.by_ref().take(1) {
                sum += x;
            }
            for x in queue {
                sum += x * 10;
            }
            sum
        }
    }

    pub struct Tree<T> {
        value: T,
        next: Vec<Tree<T>>,
    }

    #[fiber::check]
    impl<T: Clone + Ord> Tree<T> {
        fn open(value: T) -> Self {
            Self { value, next: Vec::new() }
        }
        fn write(mut self, next: Self) -> Self {
            self.next.push(next);
            self
        }
        fn read(&self) -> T {
            let below = self.next.iter().map(Self::read);
            below.chain([self.value.clone()]).max().unwrap_or_else(|| Self::open(self.value.clone()).read())
        }
        fn iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a T> + 'a> {
            Box::new([&self.value].into_iter().chain(self.next.iter().flat_map(|next| next.iter())))
        }
    }

    #[fiber::check]
    trait Wait {
        fn wait(&self) -> u32;
        fn wait_while(&self, mut condition: impl FnMut(u32) -> bool) -> u32 {
            let mut times = 0;
            while condition(self.wait() + times) {
                times += 1;
            }
            times
        }
    }

    #[fiber::check]
    impl Wait for Tree<u32> {
        fn wait(&self) -> u32 {
            self.iter().sum::<u32>() + self.read()
        }
    }

    pub fn all() {
        same!(in_bodies(3));
        same!(modules());
        let tree = Tree::open(1).write(Tree::open(5).write(Tree::open(2))).write(Tree::open(3));
        assert_eq!((tree.wait(), tree.wait_while(|x| x < 20)), (16, 4));
    }
}

fn main() {
    statements::all();
    expressions::all();
    items::all();
}
