//! What only the current edition has: chains of `let` in conditions, and tails whose temporaries end before the variables.

#![deny(warnings)]

#[macro_use]
#[path = "../twice.rs"]
mod twice;

use std::cell::{Cell, RefCell};

thread_local! {
    static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Own(Cell<u32>);

struct Guard<'a>(&'a Cell<u32>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        LOG.with(|log| log.borrow_mut().push("unlock"));
    }
}

impl Own {
    fn lock(&self) -> Guard<'_> {
        LOG.with(|log| log.borrow_mut().push("lock"));
        Guard(&self.0)
    }
    fn recv(&self) -> Option<u32> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(self.0.get())
    }
}

impl Guard<'_> {
    fn read(&self, from: u32) -> Option<u32> {
        self.0.get().checked_sub(from)
    }
}

fn own(x: u32) -> Own {
    Own(Cell::new(x))
}

fn open(x: u32) -> Option<Own> {
    (x > 0).then(|| own(x))
}

fn say(what: &'static str) {
    LOG.with(|log| log.borrow_mut().push(what));
}

twice! {
    pub fn ifs(own: Own) -> (u32, Vec<&'static str>) {
        let mut sum = 0;
        if let Some(x) = own.lock().read(2) && x > 1 && let Some(opened) = open(x) && let Some(y) = opened.recv() {
            say("then");
            sum += x + y;
        } else if own.0.get() > 1 && let Some(z) = own.lock().read(1) && (z == 1 || own.lock().read(0).is_some()) {
            say("else if");
            sum += z;
        } else {
            say("else");
            own.lock();
        }
        let value = if let Some(recv) = own.recv() && let recv = recv + 1 && own.lock().read(recv).is_none() { recv } else { 9 };
        (sum + value, LOG.with(RefCell::take))
    }
    pub fn tails(x: u32) -> Option<u32> {
        let own = Own(Cell::new(x));
        own.lock().read({
            let inner = Own(Cell::new(x));
            inner.lock().read(1)?
        })
    }
    pub fn whiles(own: Own) -> (u32, Vec<&'static str>) {
        let mut sum = 0;
        'outer: while let Some(x) = own.recv() && x != 3 && let Some(read) = own.lock().read(1) {
            say("body");
            while own.0.get() > 4 && let Some(y) = own.recv() {
                if y % 2 == 0 && let Some(_) = own.lock().read(1) { continue 'outer; }
                sum += y;
            }
            sum += x + read;
        }
        (sum, LOG.with(RefCell::take))
    }
}

fn main() {
    for x in 0..12 {
        same!(ifs(own(x)));
        same!(whiles(own(x)));
        same!(tails(x));
        LOG.with(RefCell::take);
    }
}
