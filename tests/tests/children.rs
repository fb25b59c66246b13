//! A thousand children at once, shell pipelines, and what is left of them: nothing.
//!
//! One test, because it counts the descriptors, threads and children of its process.

use fiber::io::{self, Read, Write};
use fiber::process::{Child, Command, Stdio};
use fiber::runtime::{Builder, Handle};
use fiber::sync::{Barrier, Semaphore};
use fiber_tests::limits;
use fiber_tests::skip::skip;
use fiber_tests::usage::Usage;
use std::fs;

/// Descriptors that a child needs while it is waited for: its input, its output, itself.
const EACH: usize = 3;

/// The children of this process, ended ones that nobody waited for included.
fn children() -> usize {
    let all = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("children"));
    // A thread may end while its folder is read; what it had started is another's then.
    all.filter_map(|list| fs::read_to_string(list).ok()).map(|list| list.split_whitespace().count()).sum()
}

fn usage() -> Usage {
    Usage::of(std::process::id()).unwrap()
}

fn cat() -> io::Result<Child> {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// All are there at the same time, say what they were told, and end.
fn a_thousand_at_once(number: usize) {
    let (starting, all_there) = (Semaphore::new(16), Barrier::new(number));
    fiber::scope(|scope| {
        for number in 0..number {
            let (starting, all_there) = (&starting, &all_there);
            scope.spawn(move || {
                let mut child = {
                    let _permit = starting.acquire();
                    cat().unwrap()
                };
                all_there.wait();
                let text = format!("this is child {number}");
                let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                stdin.write_all(text.as_bytes()).unwrap();
                let mut back = vec![0; text.len()];
                stdout.read_exact(&mut back).unwrap();
                assert_eq!(back, text.as_bytes());
                let waiting = fiber::spawn(move || child.wait());
                all_there.wait();
                drop(stdin);
                assert!(waiting.join().unwrap().unwrap().success());
            });
        }
    });
}

/// `printf ... | dd | sort -n | tail`, with programs and pipes, and by a shell; the ends copied in between by this process.
fn pipelines() {
    fiber::scope(|scope| {
        for round in 0..20 {
            scope.spawn(move || {
                let numbers: String = (0..5000).map(|n| format!("{}\n", n * 7919 % 5003 + round)).collect();
                let largest = (0..5000).map(|n| n * 7919 % 5003 + round).max().unwrap();
                let piped = Stdio::piped;
                let mut first = Command::new("dd");
                let mut first = first.args(["bs=777", "status=none"]).stdin(piped()).stdout(piped()).spawn().unwrap();
                let mut second = Command::new("sort").arg("-n").stdin(piped()).stdout(piped()).spawn().unwrap();
                let mut third = Command::new("tail");
                let third =
                    third.args(["-n", "1"]).stdin(second.stdout.take().unwrap()).stdout(piped()).spawn().unwrap();
                let mut feeding = first.stdin.take().unwrap();
                let feeder = fiber::spawn(move || feeding.write_all(numbers.as_bytes()));
                let (mut from, mut to) = (first.stdout.take().unwrap(), second.stdin.take().unwrap());
                io::copy(&mut from, &mut to).unwrap();
                drop(to);
                let output = third.wait_with_output().unwrap();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{largest}\n"));
                feeder.join().unwrap().unwrap();
                assert!(first.wait().unwrap().success() && second.wait().unwrap().success());

                let line = format!("seq {round} 100 | grep -c 7 | tr -d '\\n'; false | true; exit {round}");
                let output = Command::new("sh").args(["-c", &line]).output().unwrap();
                let sevens = (round..=100).filter(|n| n.to_string().contains('7')).count();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), sevens.to_string());
                assert_eq!(output.status.code(), Some(round));
            });
        }
    });
}

/// Cancelled in the middle of everything, with the children that they had.
fn cancelled() {
    for round in 0..30 {
        let fiber = fiber::spawn(move || -> io::Result<()> {
            loop {
                let mut child = Command::new("cat");
                let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
                child.stdin.as_ref().unwrap().write_all(b"text")?;
                child.stdout.as_mut().unwrap().read_exact(&mut [0; 4])?;
                child.wait()?;
                Command::new("true").kill_on_drop(true).output()?;
            }
        });
        fiber::time::sleep(std::time::Duration::from_micros(round * 300));
        fiber.cancel();
        // An error, or an unwinding if it came where there is none to give.
        if let Ok(result) = fiber.join() {
            assert!(result.is_err());
        }
    }
}

#[test]
fn children_come_and_go() {
    let wanted = 1000;
    let affordable = limits::connections(wanted * EACH).expect("the limit of open files can be read") / EACH;
    let number = wanted.min(affordable);
    if number < wanted {
        skip(&format!("{wanted} children: the hard limit of open files allows {number}, which is what is tested"));
    }
    let before = usage();
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.run(|| {
        // What the runtime opens at first use.
        Command::new("true").status().unwrap();
        let inside = usage();
        a_thousand_at_once(number);
        pipelines();
        cancelled();
        assert_eq!(children(), 0, "every child was waited for");
        assert_eq!(usage().descriptors, inside.descriptors);
        // Nobody waits on a thread: what starts processes is all there was, and it was never many.
        let metrics = Handle::try_current().unwrap().blocking_metrics();
        assert!(metrics.peak <= 64, "{metrics:?}");
    });
    drop(runtime);
    assert_eq!(usage().descriptors, before.descriptors);
}
