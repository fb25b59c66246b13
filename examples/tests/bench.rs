//! `fiber-bench` as harnesses drive it: its arguments, the status it ends with, its servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn bench(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fiber-bench"));
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    command
}

fn output(arguments: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = bench(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Whether it ends with this status, says this on standard error, and nothing on standard output.
#[track_caller]
fn fails(arguments: &str, expected: i32, says: &str) {
    let (status, stdout, stderr) = output(arguments);
    assert!(status == Some(expected) && stdout.is_empty() && stderr.contains(says), "{arguments}: {status:?} {stderr}");
}

/// A server, until dropped.
struct Server {
    process: Child,
    address: String,
    _stderr: BufReader<ChildStderr>,
}

impl Server {
    fn start(arguments: &str) -> Server {
        let mut process = bench(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Server { process, address, _stderr: stderr }
    }

    fn connect(&self) -> TcpStream {
        let peer = TcpStream::connect(&self.address).unwrap();
        // Not for ever, if the server forgets us.
        peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        peer
    }

    /// All that comes until the server ends the connection.
    fn ask(&self, request: &str) -> String {
        let mut peer = self.connect();
        peer.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until so many of its threads are named as workers are: a thread gives itself its name.
    fn await_workers(&self, expected: usize) {
        let begin = Instant::now();
        loop {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
            let count = names.filter(|name| name.starts_with("fiber-worker")).count();
            if count == expected {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{count} workers in place of {expected}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn each_measurement_is_one_line() {
    for arguments in [
        "yield --tasks 10 --iters 10",
        "spawn --n 100 --batch 10",
        "pingpong --rounds 10",
        "skynet --leaves 100",
        "idle --n 10",
        "timers --n 10",
        "mutex --tasks 4 --iters 10",
        "fanout --children 4 --repeat 1",
        "start --repeat 1",
        "--workers 1 yield --tasks 1 --iters 1",
    ] {
        let (status, stdout, stderr) = output(arguments);
        assert_eq!(status, Some(0), "{arguments}: {stderr}");
        let line: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["bench", "extra", "params", "runtime", "unit", "value"], "{stdout}");
        assert_eq!(stdout.find('\n'), Some(stdout.len() - 1), "{stdout}");
        assert!(arguments.contains(line["bench"].as_str().unwrap()), "{stdout}");
        assert!(line["extra"].as_object().unwrap().values().all(serde_json::Value::is_number), "{stdout}");
    }
}

#[test]
fn it_tells_its_version() {
    assert_eq!(output("--version"), (Some(0), format!("fiber-bench {}\n", env!("CARGO_PKG_VERSION")), String::new()));
}

#[test]
fn what_there_is_no_way_to_do_has_status_3() {
    fails("--pin yield", 3, "fiber-bench: fiber does not bind its workers");
}

#[test]
fn counts_without_end_are_refused() {
    for arguments in [
        "spawn --n 18446744073709551615",
        "spawn --n 18446744073709551616",
        "yield --iters 0",
        "mutex --iters many",
        "fanout --repeat 1000000000000000001",
    ] {
        fails(arguments, 2, "it has to be a number between 1 and 1000000000000000000");
    }
    fails("skynet --leaves 10000000000000000000", 2, "it has to be a power of ten, at most 1000000000000000000");
    fails("skynet --leaves 0", 2, "it has to be a power of ten");
    fails("fsread /etc/passwd 1e19 1", 2, "the clock does not go that far");
    fails("fsread /etc/passwd NaN 1", 2, "<SECONDS>");
}

#[test]
fn what_does_not_fit_into_memory_is_refused() {
    for arguments in [
        "yield --tasks 1000000000000",
        "mutex --tasks 1000000000000",
        "idle --n 1000000000000000000",
        "timers --n 1000000000000000000",
        "fanout --children 1000000000000",
        "spawn --n 1000000000000000000 --batch 1000000000000000000",
        "fsread /etc/passwd 1 1000000000000000000",
    ] {
        fails(arguments, 1, " at once take at least ");
    }
}

/// A limit like that of a container: the fibers that are there would wait for the others for ever.
#[test]
fn it_ends_where_address_space_does() {
    for arguments in ["yield --tasks 5000", "fanout --children 5000", "idle --n 5000", "timers --n 5000"] {
        // Stacks are 256 KiB each.
        let script = format!("ulimit -v 1000000 && exec {} {arguments}", env!("CARGO_BIN_EXE_fiber-bench"));
        let Output { status, stderr, .. } = Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert!(said.contains("fiber-bench: the fiber could not start: no more stacks"), "{arguments}: {said}");
        assert!(status.code() == Some(1) && said.contains("(RLIMIT_AS)"), "{arguments}: {status:?} {said}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for server in ["echo-server", "http-server"] {
        let expected = format!("fiber-bench: cannot listen on {address}: Address already in use (os error 98)\n");
        assert_eq!(output(&format!("{server} {}", address.port())), (Some(1), String::new(), expected));
    }
}

#[test]
fn servers_take_their_workers_either_way() {
    for arguments in [
        "echo-server 0 3",
        "echo-server 0 --workers 3",
        "echo-server --workers 3 0",
        "--workers 3 echo-server 0",
        "--workers 3 echo-server 0 3",
        "http-server 0 3 --workers 3",
    ] {
        Server::start(arguments).await_workers(3);
    }
    Server::start("echo-server 0").await_workers(2);
    fails("echo-server 0 2 --workers 3", 2, "--workers 3 and WORKERS 2 contradict each other");
    fails("--workers 3 http-server 0 2", 2, "--workers 3 and WORKERS 2 contradict each other");
}

#[test]
fn bytes_come_back() {
    let server = Server::start("echo-server 0");
    let mut peer = server.connect();
    peer.write_all(b"over there").unwrap();
    let mut back = [0; 10];
    peer.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"over there");
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n";
const BODY: &str = "\r\nHello, World!";

/// HTTP byte by byte.
#[test]
fn connections_end_when_the_client_says_so() {
    let server = Server::start("http-server 0");
    let staying = format!("{HEAD}{BODY}");
    let closing = format!("{HEAD}Connection: close\r\n{BODY}");
    // Of HTTP/1.1 they stay until somebody asks for the end; after which nothing is answered.
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n"), closing);
    let requests = "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nconnection: x, CLOSE\r\n\r\n";
    assert_eq!(server.ask(requests), format!("{staying}{closing}"));
    let requests =
        "GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nConnection: keep-alive, close\r\n\r\n";
    assert_eq!(server.ask(requests), format!("{staying}{closing}"));
    // Of HTTP/1.0 it is the other way round.
    assert_eq!(server.ask("GET / HTTP/1.0\r\n\r\n"), closing);
    let requests = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    assert_eq!(server.ask(requests), format!("{HEAD}Connection: keep-alive\r\n{BODY}{closing}"));
    // The head alone, with the length that the body would have.
    let requests = "HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(server.ask(requests), format!("{HEAD}\r\n{staying}{HEAD}Connection: close\r\n\r\n"));
}

/// A client that nobody here wrote.
#[test]
fn curl_is_content() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        // Not `println!`, which the harness swallows when a test passes.
        let _ = writeln!(std::io::stdout(), "\nskipped: curl is not installed");
        return;
    }
    let server = Server::start("http-server 0");
    let url = format!("http://{}/", server.address);
    // What it prints: the bodies or heads, then how many connections it made.
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "[%{num_connects}]"]);
        let output = command.args(arguments).args([&url, &url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl(&[]), "Hello, World![1]Hello, World![0]");
    assert_eq!(curl(&["--header", "Connection: close"]), "Hello, World![1]Hello, World![1]");
    assert_eq!(curl(&["--http1.0"]), "Hello, World![1]Hello, World![1]");
    assert_eq!(curl(&["--http1.0", "--header", "Connection: keep-alive"]), "Hello, World![1]Hello, World![0]");
    let head = format!("{HEAD}\r\n");
    assert_eq!(curl(&["--head"]), format!("{head}[1]{head}[0]"));
}
