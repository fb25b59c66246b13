//! Looking up names where the name server is dead.

use fiber_tests::process::Process;
use fiber_tests::skip;
use std::process::{Command, Stdio};

/// Runs this in namespaces of its own: a loopback device where port 53 is free, and a resolver that is sent there.
const SCRIPT: &str = "\
set -e
ip link set lo up
mount --bind \"$1\" /etc/resolv.conf
shift
exec \"$@\"";

fn in_namespaces(conf: &str, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--net", "sh", "-c", SCRIPT, "sh", conf, program]);
    // A sandbox of the user's must not send the names elsewhere.
    command.env_remove("LOCALDOMAIN").env("RES_OPTIONS", "timeout:30 attempts:1");
    command
}

/// The time limit of the fiber fires, its siblings go on, and the runtime ends although the resolver still waits.
#[test]
fn a_dead_name_server_holds_up_nobody_but_who_asks_it() {
    let conf = std::env::temp_dir().join(format!("fiber-dead-resolver-{}", std::process::id()));
    std::fs::write(&conf, "nameserver 127.0.0.1\n").unwrap();
    let path = conf.to_str().unwrap();
    let permitted = skip::has("unshare", "--version") && skip::has("ip", "-V") && {
        let probe = in_namespaces(path, "true").stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        if !probe.success() {
            skip::skip("namespaces of one's own are not permitted");
        }
        probe.success()
    };
    if permitted {
        let program = in_namespaces(path, env!("CARGO_BIN_EXE_dead_resolver"));
        let outcome = Process::start("the program with the dead name server", &mut { program }).finish();
        assert!(outcome.status.success(), "{outcome:?}");
        match outcome.lines.last().map(String::as_str) {
            Some("done") => (),
            Some(line) if line.starts_with("skipped: ") => skip::skip(&line["skipped: ".len()..]),
            _ => panic!("{outcome:?}"),
        }
    }
    let _ = std::fs::remove_file(conf);
}
