//! What the documentation of std shows for each of its blocking items: written down in a fiber, it does not compile.
//!
//! Bodies as people write them, in each of the attributes; `blocking` has the items one by one, in every form.

#[path = "blocking/compile.rs"]
mod compile;

use compile::{Case, Crate};

/// What blocks, and a body that uses it, with the call between `«` and `»`.
const EXAMPLES: &[(&str, &str)] = &[
    ("std::thread::sleep", "use std::{thread, time}; let ten = time::Duration::from_millis(10); «thread::sleep»(ten);"),
    (
        "std::thread::park",
        "let flag = std::sync::atomic::AtomicBool::new(true); while !flag.load(std::sync::atomic::Ordering::Acquire) { «std::thread::park»(); }",
    ),
    (
        "std::thread::JoinHandle::join",
        "let handle = std::thread::spawn(|| (1..10).sum::<u32>()); let sum = handle.«join»().unwrap(); println!(\"{sum}\");",
    ),
    ("std::thread::scope", "let mut list = vec![1]; «std::thread::scope»(|s| { s.spawn(|| list.push(2)); });"),
    (
        "std::fs::read_to_string",
        "let text = «std::fs::read_to_string»(\"address.txt\").unwrap(); let _: std::net::SocketAddr = text.parse().unwrap();",
    ),
    ("std::fs::File::open", "use std::fs::File; let mut f = «File::open»(\"foo.txt\").unwrap(); drop(f);"),
    (
        "std::fs::File::read_to_string",
        "use std::io::Read; let mut file = crate::make::<std::fs::File>(); let mut contents = String::new(); file.«read_to_string»(&mut contents).unwrap(); assert_eq!(contents, \"Hello, world!\");",
    ),
    (
        "std::fs::File::write_all",
        "use std::io::Write; let mut file = crate::make::<std::fs::File>(); file.«write_all»(b\"Hello, world!\").unwrap();",
    ),
    (
        "std::fs::OpenOptions::open",
        "use std::fs::OpenOptions; let _ = OpenOptions::new().read(true).write(true).create(true).«open»(\"foo.txt\");",
    ),
    (
        "std::fs::read_dir",
        "for entry in «std::fs::read_dir»(\".\").unwrap() { println!(\"{:?}\", entry.unwrap().path()); }",
    ),
    (
        "std::fs::create_dir_all",
        "let result: std::io::Result<()> = (|| { «std::fs::create_dir_all»(\"/some/dir\")?; Ok(()) })(); drop(result);",
    ),
    (
        "std::path::Path::exists",
        "use std::path::Path; if !Path::new(\"does_not_exist.txt\").«exists»() { println!(\"none\"); }",
    ),
    (
        "std::net::TcpListener::bind",
        "use std::net::TcpListener; let listener = «TcpListener::bind»(\"127.0.0.1:80\").unwrap(); drop(listener);",
    ),
    (
        "std::net::TcpListener::incoming",
        "let listener: std::net::TcpListener = crate::make(); for stream in listener.«incoming»() { match stream { Ok(stream) => drop(stream), Err(error) => println!(\"{error}\") } }",
    ),
    (
        "std::net::TcpListener::accept",
        "let listener: std::net::TcpListener = crate::make(); match listener.«accept»() { Ok((_socket, addr)) => println!(\"new client: {addr:?}\"), Err(e) => println!(\"{e:?}\") }",
    ),
    (
        "std::net::TcpStream::connect",
        "use std::net::TcpStream; if let Ok(stream) = «TcpStream::connect»(\"127.0.0.1:8080\") { drop(stream); } else { println!(\"none\"); }",
    ),
    (
        "std::net::UdpSocket::recv_from",
        "let socket: std::net::UdpSocket = crate::make(); let mut buf = [0; 10]; let (number, src) = socket.«recv_from»(&mut buf).expect(\"no data\"); println!(\"{number} {src}\");",
    ),
    (
        "std::net::ToSocketAddrs::to_socket_addrs",
        "use std::net::ToSocketAddrs; let mut addrs = \"localhost:3000\".«to_socket_addrs»().unwrap(); assert!(addrs.next().is_some());",
    ),
    (
        "std::sync::mpsc::Receiver::recv",
        "use std::sync::mpsc; let (send, recv) = mpsc::channel(); send.send(1u8).unwrap(); drop(send); assert_eq!(Ok(1), recv.«recv»());",
    ),
    (
        "std::sync::mpsc::Receiver::into_iter",
        "let (tx, rx) = std::sync::mpsc::channel(); tx.send(1).unwrap(); drop(tx); for received in «rx» { println!(\"Got: {received}\"); }",
    ),
    (
        "std::sync::mpsc::SyncSender::send",
        "let (tx, _rx) = std::sync::mpsc::sync_channel(0); if tx.«send»(1).is_err() { println!(\"gone\"); }",
    ),
    (
        "std::sync::Mutex::lock",
        "use std::sync::{Arc, Mutex}; let mutex = Arc::new(Mutex::new(0)); let c_mutex = Arc::clone(&mutex); *c_mutex.«lock»().unwrap() = 10;",
    ),
    (
        "std::sync::RwLock::write",
        "let lock = std::sync::RwLock::new(5); { let mut w = lock.«write»().unwrap(); *w += 1; }",
    ),
    (
        "std::sync::Condvar::wait",
        "use std::sync::{Condvar, Mutex}; let pair: (Mutex<bool>, Condvar) = crate::make(); let mut started = crate::make::<std::sync::MutexGuard<'static, bool>>(); while !*started { started = pair.1.«wait»(started).unwrap(); }",
    ),
    (
        "std::sync::Barrier::wait",
        "let barrier = std::sync::Barrier::new(10); println!(\"before\"); let is_leader = barrier.«wait»().is_leader(); println!(\"{is_leader}\");",
    ),
    (
        "std::sync::Once::call_once",
        "static START: std::sync::Once = std::sync::Once::new(); START.«call_once»(|| println!(\"run initialization here\"));",
    ),
    (
        "std::process::Command::output",
        "use std::process::Command; let output = Command::new(\"sh\").arg(\"-c\").arg(\"echo hello\").«output»().expect(\"failed\"); println!(\"{:?}\", output.stdout);",
    ),
    (
        "std::process::Child::wait",
        "let mut command: std::process::Child = crate::make(); if let Ok(status) = command.«wait»() { println!(\"{status}\"); }",
    ),
    (
        "std::io::Stdin::read_line",
        "use std::io; let mut buffer = String::new(); io::stdin().«read_line»(&mut buffer).unwrap();",
    ),
    (
        "std::io::Stdin::lines",
        "for line in std::io::stdin().«lines»() { println!(\"got a line: {}\", line.unwrap()); }",
    ),
    (
        "std::io::BufReader::read_line",
        "use std::io::{BufRead, BufReader}; let f: std::fs::File = crate::make(); let mut reader = BufReader::new(f); let mut line = String::new(); let len = reader.«read_line»(&mut line).unwrap(); println!(\"{len}\");",
    ),
    (
        "std::io::copy",
        "use std::io; let file = crate::make::<std::fs::File>(); let mut reader: &[u8] = b\"hello\"; let mut writer = file; «io::copy»(&mut reader, &mut writer).unwrap();",
    ),
    (
        "std::io::read_to_string",
        "let stdin = «std::io::read_to_string»(std::io::stdin()).unwrap(); println!(\"{stdin}\");",
    ),
];

const PRELUDE: &str = "
#![allow(unused, unreachable_code, clippy::all)]
pub fn make<T>() -> T {
    loop {}
}
pub mod prelude {}
";

fn cases(attribute: &str, head: &str) -> Vec<Case> {
    let case = |(entry, body): &(&str, &str)| Case {
        form: attribute.to_owned(),
        entry: (*entry).to_owned(),
        code: format!("#[fiber::{attribute}]\n{head} {{\n    {body}\n}}"),
    };
    EXAMPLES.iter().map(case).collect()
}

#[test]
fn none_compiles() {
    let mut all = cases("check", "fn example()");
    all.extend(cases("task", "fn example()"));
    all.extend(cases("main", "fn main()"));
    all.extend(cases("test", "fn example()"));
    Crate { name: "std_examples", edition: "2024", prelude: PRELUDE, cases: all }.compare(&[]).none();
}
