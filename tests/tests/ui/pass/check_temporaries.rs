//! How long temporaries live, and in which order values are dropped: the same code does the same with the attribute.

#![deny(warnings)]
// Of the code itself.
#![allow(clippy::all)]

use std::cell::{Ref, RefCell};
use std::fmt::Write as _;

#[macro_use]
#[path = "../twice.rs"]
mod twice;

thread_local! {
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

fn say(what: &str) {
    LOG.with(|log| write!(log.borrow_mut(), "{what} ").unwrap());
}

fn said() -> String {
    LOG.with(|log| std::mem::take(&mut *log.borrow_mut()))
}

/// Says when it is dropped.
struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        say(self.0);
    }
}

impl Loud {
    fn lock(&self) -> Guard<'_> {
        say("lock");
        Guard(self)
    }
    fn read(&mut self) -> Guard<'_> {
        Guard(self)
    }
    fn join(self) -> Option<Loud> {
        say("join");
        Some(Loud("joined"))
    }
    fn recv(&self) -> Result<Loud, Loud> {
        Ok(Loud("received"))
    }
    fn next(&mut self) -> Option<u32> {
        say("next");
        if self.0 == "none" {
            None
        } else {
            self.0 = "none";
            Some(1)
        }
    }
    fn iter(&self) -> std::vec::IntoIter<Loud> {
        vec![Loud("first"), Loud("second")].into_iter()
    }
}

struct Guard<'a>(&'a Loud);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        say("unlock");
        say(self.0 .0);
    }
}

impl Guard<'_> {
    fn wait(&self) -> u32 {
        say("wait");
        3
    }
    fn write(self) -> bool {
        say("write");
        true
    }
}

fn loud(name: &'static str) -> Loud {
    Loud(name)
}

fn exists(_: &Loud, _: Guard<'_>) -> Loud {
    say("exists");
    Loud("existed")
}

twice! {
    pub fn statement() {
        let own = loud("own");
        own.lock();
        loud("temporary").lock();
        loud("temporary").lock().wait();
        say("end");
    }
    pub fn value() -> u32 {
        let own = loud("own");
        let sum = own.lock().wait() + loud("temporary").lock().wait();
        say("end");
        sum
    }
    pub fn underscore() {
        let own = loud("own");
        let _ = own.lock();
        say("between");
        let _guard = own.lock();
        let _ = loud("temporary").join();
        say("end");
    }
    pub fn extended() {
        let own = &loud("own");
        let guard = &own.lock();
        let second = &mut loud("second").join();
        let pair = (&own.lock(), &loud("third").recv());
        say("end");
        guard.wait();
        assert!(second.is_some() && pair.1.is_ok());
    }
    pub fn scrutinee() -> u32 {
        let mut own = loud("own");
        let first = match own.lock().wait() {
            3 => {
                say("arm");
                1
            }
            _ => 2,
        };
        match own.read() {
            guard if guard.wait() == 3 => say("guarded"),
            _ => {}
        }
        match loud("temporary").join() {
            Some(loud) => say(loud.0),
            None => {}
        }
        first
    }
    pub fn if_let() {
        let own = loud("own");
        if let Some(joined) = loud("temporary").join() {
            say(joined.0);
        } else {
            say("else");
        }
        if let Err(error) = own.recv() {
            say(error.0);
        } else {
            say("otherwise");
        }
        if let 4 = own.lock().wait() {
            say("then");
        } else {
            say("else");
        }
        if own.lock().wait() == 3 {
            say("then");
        }
        if own.lock().write() && own.lock().wait() == 3 || own.lock().write() {
            say("then");
        }
    }
    pub fn while_let() {
        let mut own = loud("own");
        while let Some(number) = own.next() {
            say("body");
            if number > 5 {
                continue;
            }
        }
        let mut times = 0;
        while own.lock().wait() == 3 && times < 2 {
            times += 1;
            say("body");
        }
        while let Ok(received) = own.recv() {
            say(received.0);
            break;
        }
    }
    pub fn for_loops() {
        let own = loud("own");
        for loud in own.iter() {
            say(loud.0);
        }
        for loud in loud("temporary").iter() {
            say(loud.0);
            break;
        }
        'outer: for _ in [1, 2] {
            for loud in own.iter() {
                say(loud.0);
                continue 'outer;
            }
        }
    }
    pub fn tail() -> u32 {
        fn inner(own: &Loud) -> u32 {
            let _local = loud("local");
            own.lock().wait()
        }
        inner(&loud("own"))
    }
    pub fn tail_of_blocks() -> u32 {
        let own = loud("own");
        let sum = { own.lock().wait() } + if sum_is(1) { own.lock().wait() } else { 0 };
        let matched = match sum {
            0 => own.lock().wait(),
            _ => loud("temporary").lock().wait(),
        };
        let closure = || own.lock().wait();
        let labelled = 'a: {
            if matched == 3 {
                break 'a own.lock().wait();
            }
            0
        };
        say("end");
        sum + matched + closure() + labelled
    }
    pub fn unsafe_tail() -> u32 {
        let own = loud("own");
        // SAFETY: the pointer is to `own`, which lives until the function ends.
        let number = unsafe { (*(&raw const own)).lock().wait() };
        say("end");
        number
    }
    pub fn let_else() -> u32 {
        let own = loud("own");
        let Ok(received) = own.recv() else { return own.lock().wait() };
        let Some(joined) = received.join() else {
            return 0;
        };
        let 4 = own.lock().wait() else {
            say(joined.0);
            return own.lock().wait() + 1;
        };
        say("end");
        1
    }
    pub fn question_mark() -> Result<u32, Loud> {
        let own = loud("own");
        let received = own.recv()?;
        received.recv()?.lock().wait();
        let second = loud("temporary").recv()?.recv()?;
        say(second.0);
        Ok(own.recv()?.lock().wait())
    }
    pub fn functions() -> bool {
        let own = loud("own");
        exists(&own, own.lock());
        let existed = exists(&loud("temporary"), own.lock());
        say("between");
        exists(&own, own.lock()).lock().write() && existed.lock().write()
    }
    pub fn moved() -> Option<Loud> {
        let own = loud("own");
        let list = vec![loud("a"), loud("b")];
        for loud in list {
            loud.join();
        }
        own.join()?.join().and_then(|loud| loud.join())
    }
    #[allow(unused_assignments, reason = "what is assigned is seen when it is dropped")]
    pub fn assigned() {
        let mut own = loud("own");
        own = own.join().unwrap();
        say("between");
        let mut other = loud("other").join();
        other = loud("again").join().and_then(Loud::join);
        own = other.take().unwrap_or(loud("none")).join().unwrap();
        drop((own, other));
    }
    pub fn operators() -> bool {
        let own = loud("own");
        let sum = own.lock().wait() + own.lock().wait() * 2;
        let not = !own.lock().write();
        let cast = own.lock().wait() as u64;
        let range = own.lock().wait()..own.lock().wait() + 2;
        let compared = own.lock().wait() < own.lock().wait();
        let list = [own.lock().wait(), own.lock().wait()];
        let tuple = (own.lock().wait(), own.recv());
        let index = list[own.lock().wait() as usize - 3];
        say("end");
        u64::from(sum) == cast && not && compared && range.len() as u32 == index && tuple.1.is_ok()
    }
    pub fn macros() -> String {
        let own = loud("own");
        assert!(own.lock().wait() == 3);
        assert!(own.lock().write(), "{}", own.lock().wait());
        assert_eq!(own.lock().wait(), loud("temporary").lock().wait());
        debug_assert!(own.lock().wait() == 3);
        let text = format!("{} {number} {0}", own.lock().wait(), number = loud("other").lock().wait());
        let list = vec![own.lock().wait(); own.lock().wait() as usize];
        let matched = matches!(own.lock().wait(), 3 if own.lock().write());
        let mut output = String::new();
        write!(output, "{}", own.lock().wait()).unwrap();
        writeln!(&mut output, "{}", loud("third").lock().wait()).unwrap();
        say("end");
        format!("{text} {list:?} {matched} {output}")
    }
    pub fn borrowed(cell: &RefCell<Vec<u32>>) -> usize {
        let taken = cell.borrow_mut().pop();
        while let Some(number) = cell.borrow_mut().iter().next().copied() {
            if number > 9 {
                cell.borrow().len();
                break;
            }
            break;
        }
        let length = Ref::map(cell.borrow(), |list| list).iter().count();
        cell.borrow_mut().iter().next().copied().unwrap_or_default() as usize + length + taken.iter().count()
    }
    fn sum_is(one: u32) -> bool {
        one == 1
    }
}

fn main() {
    macro_rules! all {
        ($($name:ident)*) => {
            $(
                drop(checked::$name());
                let with = said();
                drop(bare::$name());
                assert_eq!(with, said(), stringify!($name));
                assert!(!with.is_empty());
            )*
        };
    }
    #[allow(dropping_copy_types)]
    {
        all! {
            statement value underscore extended scrutinee if_let while_let for_loops tail tail_of_blocks unsafe_tail let_else
            question_mark functions moved assigned operators macros
        }
    }
    same!(borrowed(&RefCell::new(vec![1, 2, 3])));
    same!(value());
    same!(let_else());
    same!(operators());
    same!(macros());
}
