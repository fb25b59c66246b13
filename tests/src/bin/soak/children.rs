//! Child processes.

use crate::random::{Random, byte, is_interruption};
use crate::verified;
use fiber::process::{Command, Stdio};
use std::io::{Read, Write};

/// The children of this process, ended ones that nobody waited for included.
pub(crate) fn of_this_process() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc");
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// One child: that is talked to, that gives a status, or that would never end.
pub(crate) fn one(random: &mut Random) {
    match random.below(3) {
        0 => talk(random),
        1 => status(random),
        _ => kill(random),
    }
}

fn talk(random: &mut Random) {
    let mut command = Command::new("cat");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let Some(mut child) = random.try_for(|| command.spawn()) else { return };
    let (mut stdin, mut stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let data: Vec<u8> = (0..random.length(200_000) as u64).map(|at| byte(3, at)).collect();
    let back = fiber::scope(|scope| {
        let data = &data;
        let feeding = scope.spawn(move || stdin.write_all(data));
        let mut back = Vec::new();
        let read = stdout.read_to_end(&mut back);
        assert!(data.starts_with(&back), "a child gives back what it got");
        // Who still writes sees that nobody reads.
        drop(stdout);
        let fed = feeding.join();
        matches!((read, fed), (Ok(_), Ok(Ok(())))).then_some(back)
    });
    if let Some(back) = back {
        assert_eq!(back.len(), data.len());
        verified(back.len());
        if let Some(status) = random.try_for(|| child.wait()) {
            assert!(status.success(), "{status}");
        }
    }
}

fn status(random: &mut Random) {
    let code = random.below(100);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("echo {code}; exit {code}")]).kill_on_drop(true);
    if let Some(output) = random.try_for(|| command.output()) {
        assert_eq!((output.status.code(), output.stdout), (Some(code as i32), format!("{code}\n").into_bytes()));
    }
}

fn kill(random: &mut Random) {
    // With streams of its own: should this process fail, whoever reads its output is not to wait for the child's.
    let mut command = Command::new("sleep");
    command.arg("100").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let Some(mut child) = random.try_for(|| command.spawn()) else { return };
    match fiber::time::timeout(random.moment(), || child.wait()) {
        Ok(Err(error)) if is_interruption(&error) => (),
        Err(_) => (),
        Ok(ended) => panic!("it sleeps: {ended:?}"),
    }
    if random.below(2) == 0 {
        child.kill().expect("it can be killed");
        let status = random.try_for(|| child.wait());
        assert!(status.is_none_or(|status| !status.success()));
    }
}
