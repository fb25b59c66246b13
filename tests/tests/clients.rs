//! Clients that nobody here wrote: what the machine has is run against the echo server.

use fiber_tests::process::Process;
use fiber_tests::server::Server;
use fiber_tests::skip;
use std::process::Command;

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_echo_server"), "127.0.0.1:0", &[])
}

/// Says two lines to a client program that passes its input on and prints what comes; each must come back before the
/// next is said.
fn converse(name: &str, command: &mut Command) {
    let mut client = Process::start(name, command);
    for line in ["the first line", "and another one"] {
        client.say(format!("{line}\n").as_bytes());
        assert_eq!(client.line("its line to come back"), line);
    }
    // How these programs end after the end of their input differs.
    client.kill();
}

/// Python's own sockets: 50 threads, up to 300 kB each, half-closed at the end.
#[test]
fn python() {
    if skip::has("python3", "--version") {
        let server = server();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/echo.py");
        let mut command = Command::new("python3");
        command.args([script, "127.0.0.1", &server.address().port().to_string()]);
        let outcome = Process::start("the Python client", &mut command).finish();
        assert!(outcome.status.success(), "{outcome:?}");
        let sizes = (0..50).map(|number| (37 * number * number) % 300_000);
        assert_eq!(outcome.lines, [format!("verified {} bytes of 50 clients", sizes.sum::<u64>())]);
    }
}

#[test]
fn curl() {
    if skip::has("curl", "--version") {
        let server = server();
        let url = format!("telnet://{}", server.address());
        converse("curl", Command::new("curl").args(["--silent", "--show-error", "--no-buffer", &url]));
    }
}

#[test]
fn netcat() {
    if skip::has("nc", "-h") {
        let server = server();
        converse("nc", Command::new("nc").args(["127.0.0.1", &server.address().port().to_string()]));
    }
}

/// The shell's own network files.
#[test]
fn bash() {
    if skip::has("bash", "--version") {
        let server = server();
        let each_line = "while read -r line; do echo \"$line\" >&3; read -r answer <&3; echo \"$answer\"; done";
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; {each_line}", server.address().port());
        converse("bash", Command::new("bash").args(["-c", &script]));
    }
}
