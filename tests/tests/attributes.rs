//! `#[fiber::test]` and `#[fiber::main]` at work: who passes, who fails, what leaves the process.

use std::cell::Cell;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::rc::Rc;

/// A test that has to fail: only [`tests_can_fail`] runs it, in a process of its own.
const MADE_TO_FAIL: &str = "run by `tests_can_fail`";

#[fiber::test]
fn runs_on_a_fiber() {
    assert!(fiber::try_current().is_some());
}

#[fiber::test(
    workers = 2,
    stack_size = "64k",
    name = "attributes",
    numa = "any",
    driver = "auto",
    blocking_threads = 1
)]
fn takes_the_arguments_of_main() {
    let handles: Vec<_> = (0..100_u64).map(|number| fiber::spawn(move || number)).collect();
    assert_eq!(handles.into_iter().map(|handle| handle.join().unwrap()).sum::<u64>(), 4950);
}

#[fiber::test]
#[should_panic(expected = "as asked")]
fn a_panic_leaves_the_fiber() {
    let not_send = Rc::new(Cell::new(1));
    fiber::yield_now();
    assert_eq!(not_send.get(), 2, "as asked");
}

#[fiber::test]
fn an_error_that_is_not_send_may_be_returned() -> Result<(), Box<dyn Error>> {
    if fiber::try_current().is_some() {
        return Ok(());
    }
    Err("not on a fiber".into())
}

#[fiber::test]
fn the_result_may_have_no_name() -> impl std::process::Termination {
    ExitCode::SUCCESS
}

#[fiber::test]
#[ignore = "run by `tests_can_fail`"]
fn fails_by_panic() {
    panic!("{MADE_TO_FAIL}");
}

#[fiber::test]
#[ignore = "run by `tests_can_fail`"]
fn fails_by_error() -> Result<(), String> {
    Err(MADE_TO_FAIL.into())
}

#[fiber::test]
#[ignore = "run by `tests_can_fail`"]
#[should_panic(expected = "never")]
fn fails_by_not_panicking() {}

/// Runs one test of this file in a process; `FIBER_WORKERS=0` keeps a runtime from starting.
fn outcome(test: &str, workers: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    match workers {
        Some(workers) => command.env("FIBER_WORKERS", workers),
        None => command.env_remove("FIBER_WORKERS"),
    };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("running 1 test"), "{test} is not a test: {text}");
    (output.status.success(), text)
}

#[test]
fn tests_can_fail() {
    for (test, why) in [
        ("fails_by_panic", MADE_TO_FAIL),
        ("fails_by_error", MADE_TO_FAIL),
        ("fails_by_not_panicking", "did not panic as expected"),
    ] {
        let (passed, text) = outcome(test, None);
        assert!(!passed && text.contains(why), "{test}: {text}");
    }
    assert!(outcome("runs_on_a_fiber", None).0);
}

#[test]
fn a_runtime_that_does_not_start_fails_every_test() {
    for test in ["runs_on_a_fiber", "an_error_that_is_not_send_may_be_returned", "a_panic_leaves_the_fiber"] {
        let (passed, text) = outcome(test, Some("0"));
        assert!(!passed && text.contains("FIBER_WORKERS is `0`"), "{test}: {text}");
    }
}

mod succeeds {
    #[fiber::main]
    pub(crate) fn main() {}
}

mod fails {
    #[fiber::main(workers = 1)]
    pub(crate) fn main() -> Result<(), std::rc::Rc<str>> {
        Err("as asked".into())
    }
}

mod panics {
    #[fiber::main]
    pub(crate) fn main() {
        panic!("as asked");
    }
}

#[test]
fn main_gives_the_exit_code() {
    // `ExitCode` cannot be compared.
    let same = |left: ExitCode, right: ExitCode| format!("{left:?}") == format!("{right:?}");
    assert!(same(succeeds::main(), ExitCode::SUCCESS));
    assert!(same(fails::main(), ExitCode::FAILURE));
}

#[test]
#[should_panic(expected = "as asked")]
fn a_panic_leaves_main() {
    panics::main();
}
