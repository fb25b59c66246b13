//! The file server, with a client that nobody here wrote.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The server, and its folder.
struct Server {
    process: Child,
    address: String,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str) -> Server {
        let folder = std::env::temp_dir().join(format!("fiber-serve-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("below")).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_serve"))
            .args(["--listen", "127.0.0.1:0"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Server { process, address, folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether there is a curl; says so if not.
fn has_curl() -> bool {
    let there = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        // Not `println!`, which the harness swallows when a test passes.
        let _ = writeln!(std::io::stdout(), "\nskipped: curl is not installed");
    }
    there
}

fn curl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn curl_downloads_files() {
    if !has_curl() {
        return;
    }
    let server = Server::start("files");
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(server.folder.join("large"), &large).unwrap();
    std::fs::write(server.folder.join("below/small"), "a small one\n").unwrap();
    std::fs::write(server.folder.join("empty"), "").unwrap();
    let url = |path: &str| format!("http://{}/{path}", server.address);
    assert!(curl(&[&url("large")]) == large);
    assert_eq!(curl(&[&url("below/small")]), b"a small one\n");
    assert_eq!(curl(&[&url("empty")]), b"");
    // Several over one connection.
    let both = curl(&[&url("below/small"), &url("large"), &url("below/small")]);
    assert_eq!(both.len(), large.len() + 2 * 12);
    // What there is not, and what is not to be had.
    for path in ["missing", "below", "", "../secret", "below/../../secret", "/etc/passwd"] {
        let code = curl(&["--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}", &url(path)]);
        assert_eq!(code, b"404", "{path}");
    }
    let head = String::from_utf8(curl(&["--head", &url("large")])).unwrap();
    assert!(head.contains("Content-Length: 5000000"), "{head}");
    assert_eq!(curl(&["--data", "x", "--output", "/dev/null", "--write-out", "%{http_code}", &url("large")]), b"405");
}

/// An interrupt ends it, and what was asked for before is answered.
#[test]
fn an_interrupt_ends_it_after_the_transfers() {
    let mut server = Server::start("interrupt");
    std::fs::write(server.folder.join("file"), "contents").unwrap();
    let mut client = TcpStream::connect(&server.address).unwrap();
    client.write_all(b"GET /file HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut status = String::new();
    let mut answer = BufReader::new(client);
    answer.read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    let done = Command::new("kill").args(["-s", "INT", &server.process.id().to_string()]).status().unwrap();
    assert!(done.success());
    assert!(server.process.wait().unwrap().success());
    let rest: Vec<String> = answer.lines().map(Result::unwrap).collect();
    assert_eq!(rest.last().unwrap(), "contents");
}
