#![cfg(not(loom))]
//! Runtimes side by side, each on CPUs of its own.

mod common;

use common::watched;
use fiber::runtime::{Builder, Topology};
use std::fs;

/// The CPUs on which the calling thread may run, as the kernel writes them.
fn allowed() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().to_owned()
}

fn cpus() -> Vec<usize> {
    Topology::current().cpus().iter().map(|cpu| cpu.number()).collect()
}

#[test]
fn threads_stay_on_their_cpus() {
    for cpu in cpus() {
        let runtime = watched(Builder::new().cpus([cpu]));
        assert_eq!(runtime.handle().metrics().workers, 1, "as many as there are CPUs");
        let (worker, blocking) = runtime.run(|| (allowed(), fiber::blocking(allowed)));
        assert_eq!((worker, blocking), (cpu.to_string(), cpu.to_string()));
    }
}

#[test]
fn there_may_be_more_workers_than_cpus() {
    let cpu = cpus()[0];
    let runtime = watched(Builder::new().cpus([cpu]).workers(3));
    let metrics = runtime.handle().worker_metrics();
    assert_eq!(metrics.iter().map(|worker| worker.cpu).collect::<Vec<_>>(), [cpu; 3]);
    assert_eq!(runtime.handle().topology().cpus().len(), 1);
}

#[test]
fn runtimes_on_cpus_of_their_own_spawn_into_each_other() {
    let all = cpus();
    // On a machine with one CPU they share it.
    let (one, other) = (all[0], *all.last().unwrap());
    let front = watched(Builder::new().cpus([one]).name("front"));
    let back = watched(Builder::new().cpus([other]).name("back"));
    let (front_handle, back_handle) = (front.handle(), back.handle());
    let ran = front.run(|| {
        let there = back_handle.spawn(move || {
            let again = front_handle.spawn(allowed).join().unwrap();
            (allowed(), again)
        });
        there.join().unwrap()
    });
    assert_eq!(ran, (other.to_string(), one.to_string()));
}

#[test]
fn mistakes_are_named() {
    let error = |cpus: &[usize]| Builder::new().cpus(cpus.iter().copied()).build().unwrap_err().to_string();
    assert_eq!(error(&[]), "a runtime needs at least one CPU, and none was named");
    let unknown = error(&[cpus()[0], 99_999]);
    assert!(unknown.starts_with("CPU 99999 was named for the runtime, and this process may use "), "{unknown}");
}
