//! What the registry says of tasks, and that it counts.

use fiber::{registry, Numa, Priority};
use std::time::Duration;

#[fiber::task(
    numa = "local",
    stack_size = "64k",
    priority = "high",
    timeslice = "1ms",
    name = "the worker",
    checkpoints = false,
    allow(std::sync::Mutex::lock, std::fs::read)
)]
fn work(fails: bool) {
    let blocks = std::sync::Mutex::new(()).lock().is_err() || std::fs::read("not there").is_ok();
    assert!(!fails && !blocks, "as asked");
}

#[fiber::task]
fn plain<T: Send + 'static>(_: T) {}

mod deep {
    pub mod er {
        #[fiber::task(numa = 0)]
        #[allow(dead_code)]
        pub fn task() {}
    }
}

#[fiber::main]
fn main() {
    let task = work::TASK;
    assert_eq!(task.name(), "the worker");
    assert_eq!(task.path(), concat!(module_path!(), "::the worker"));
    assert_eq!(task.module(), module_path!());
    assert_eq!((task.file(), task.line(), task.column()), (file!(), 6, 1));
    let attributes = task.attributes();
    assert_eq!(attributes.numa(), Some(Numa::Local));
    assert_eq!(attributes.stack_size(), Some(65_536));
    assert_eq!(attributes.priority(), Some(Priority::High));
    assert_eq!(attributes.timeslice(), Some(Duration::from_millis(1)));
    assert!(!attributes.checkpoints() && !attributes.migrate());
    assert_eq!(attributes.allowed(), ["std::sync::Mutex::lock", "std::fs::read"]);
    assert!(!task.is_generic() && plain::TASK.is_generic());

    work::spawn(false).join().unwrap();
    work::builder().name("one of them").priority(Priority::Idle).spawn(|| work(false)).join().unwrap();
    work::spawn(true).join().unwrap_err();
    // Called, it runs in the caller's fiber.
    work(false);
    assert_eq!((task.queued(), task.running(), task.done(), task.panicked()), (0, 0, 2, 1));

    plain::spawn(1u8).join().unwrap();
    plain::spawn("text").join().unwrap();
    assert_eq!(plain::TASK.done(), 2);

    let here: Vec<_> = registry::tasks().iter().filter(|task| task.module().starts_with(module_path!())).collect();
    assert_eq!(here.len(), 3, "a generic function is one task: {here:?}");
    assert!(here.is_sorted_by_key(|task| task.path()));
    assert!(std::ptr::eq(registry::find("the worker").unwrap(), task));
    assert_eq!(registry::find(deep::er::task::TASK.path()).unwrap().attributes().numa(), Some(Numa::Node(0)));
}
