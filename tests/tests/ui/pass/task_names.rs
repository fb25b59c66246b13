//! One `use` brings the function and its companion; `companion` resolves collisions.

mod tasks {
    #[fiber::task]
    pub(crate) fn fetch(url: String) -> usize {
        url.len()
    }

    #[fiber::task]
    pub(super) fn in_parent() {}

    #[fiber::task]
    pub(in crate::tasks) fn here() {}

    pub mod inner {
        pub fn reach() {
            super::here::spawn().join().unwrap();
            super::private::spawn().join().unwrap();
        }
    }

    #[fiber::task]
    fn private() {}
}

mod elsewhere {
    pub(crate) use super::tasks::fetch;
}

mod log {
    pub fn level() -> u8 {
        3
    }
}

#[fiber::task(companion = "log_task")]
fn log(text: &str) -> usize {
    text.len() + usize::from(log::level())
}

#[allow(non_camel_case_types)]
struct count(u8);

#[fiber::task(companion = false, name = "counter")]
fn count_them() -> count {
    count(1)
}

use elsewhere::fetch;

#[fiber::main]
fn main() {
    assert_eq!(fetch("abc".into()), fetch::spawn("abc".into()).join().unwrap());
    tasks::in_parent::spawn().join().unwrap();
    tasks::inner::reach();
    assert_eq!(log_task::spawn("abc").join().unwrap(), 6);
    assert_eq!(log_task::TASK.name(), "log");
    assert_eq!(count_them().0, 1);
    assert_eq!(fiber::registry::find("counter").unwrap().name(), "counter");
}
