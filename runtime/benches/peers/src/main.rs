//! Locks and channels of fiber, Tokio, `may`, `crossbeam-channel` and std, each where it belongs: on fibers, tasks, coroutines, threads.

#[path = "../../common/mod.rs"]
mod common;

mod channels;
mod locks;
mod places;

use common::Run;
use places::Places;
use std::process::{Command, exit};

const WORKERS: &str = "FIBER_PEERS_WORKERS";

fn main() {
    if let Some(workers) = std::env::var(WORKERS).ok().and_then(|workers| workers.parse().ok()) {
        let run = Run::start(&format!("one fiber's locks and channels and its peers', {workers} workers"));
        let places = Places::new(workers);
        locks::compare(&run, &places);
        channels::compare(&run, &places);
        return;
    }
    let program = std::env::current_exe().expect("the program's own path");
    for workers in ["1", "2"] {
        let status = Command::new(&program).args(std::env::args_os().skip(1)).env(WORKERS, workers).status();
        if !status.expect("it can be started again").success() {
            exit(1);
        }
    }
}
