//! What `main` and test functions do around the user's body.

use std::process::{ExitCode, Termination};

use crate::runtime::{Builder, Runtime, RuntimeError};

/// `#[fiber::main]`: runs `body` as the first fiber of a new runtime, and ends the runtime in order.
///
/// The result is reported on the fiber, because it need not be `Send` (`Result<(), Box<dyn Error>>`): only the exit
/// code leaves it. A panic of `body` goes on in the caller, so that the process ends as after any panic in `main`.
///
/// With `panic = "abort"` the other fibers are not cancelled: those in a wait that returns no error could not be
/// unwound, and cancelling them would abort a process that ends in order. They end with the process.
pub fn main<T, F>(builder: Builder, body: F) -> ExitCode
where
    T: Termination,
    F: FnOnce() -> T + Send,
{
    match builder.build() {
        Ok(runtime) => {
            let code = report(&runtime, "main", body);
            if cfg!(panic = "abort") {
                std::mem::forget(runtime);
            }
            code
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `#[fiber::test]` on a function that returns nothing.
///
/// A runtime that does not start fails the test; `should_panic` says that returning is what fails it.
pub fn test<F: FnOnce() + Send>(builder: Builder, should_panic: bool, body: F) {
    match builder.build() {
        Ok(runtime) => runtime.run_named(&test_name(), body),
        Err(error) if should_panic => eprintln!("error: {error}"),
        Err(error) => not_started(&error),
    }
}

/// `#[fiber::test]` on a function that returns a value: it is reported as the test harness would, but on the fiber.
pub fn test_termination<T, F>(builder: Builder, body: F) -> ExitCode
where
    T: Termination,
    F: FnOnce() -> T + Send,
{
    match builder.build() {
        Ok(runtime) => report(&runtime, &test_name(), body),
        Err(error) => not_started(&error),
    }
}

/// The harness names its threads after the tests; with `--test-threads=1` all are run by the main thread.
fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").to_owned()
}

fn report<T, F>(runtime: &Runtime, name: &str, body: F) -> ExitCode
where
    T: Termination,
    F: FnOnce() -> T + Send,
{
    runtime.run_named(name, move || body().report())
}

fn not_started(error: &RuntimeError) -> ! {
    panic!("the runtime of this test did not start: {error}")
}
