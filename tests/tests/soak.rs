//! Random operations with random time limits and cancellations, on each driver: a short run of the program `soak`, which says what it does.
//!
//! `FIBER_SOAK_SECONDS=600 cargo test --release -p fiber-tests --test soak` runs for ten minutes on each.

use fiber_tests::process::Process;
use fiber_tests::skip::skip;
use std::process::Command;

fn soak(driver: &str) {
    let seconds =
        std::env::var("FIBER_SOAK_SECONDS").map_or(10, |seconds| seconds.parse().expect("a number of seconds"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak"));
    command.args(["--seconds", &u64::to_string(&seconds)]).env("FIBER_DRIVER", driver);
    let mut process = Process::start("soak", &mut command);
    println!("{}", process.line("the seed"));
    // Each wait has its limit, which a long run would exceed.
    while process.is_running() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let outcome = process.finish();
    assert!(outcome.status.success(), "{}\n{}\n{}", outcome.status, outcome.lines.join("\n"), outcome.complaints);
    assert!(outcome.lines.iter().any(|line| line.starts_with("nothing is left: ")), "{:?}", outcome.lines);
    println!("{}", outcome.lines.join("\n"));
}

#[test]
fn on_epoll() {
    soak("epoll");
}

#[test]
fn on_io_uring() {
    let builder = fiber::runtime::Builder::new().workers(1).driver(fiber::runtime::DriverKind::IoUring);
    match builder.build() {
        Ok(_) => soak("io_uring"),
        Err(error) => skip(&format!("no io_uring: {error}")),
    }
}
