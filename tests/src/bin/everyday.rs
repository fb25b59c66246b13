//! A program that does a bit of everything that a runtime waits for, and says by what means it did.
//!
//! It is written as a user would write it: nothing in it knows what the system permits.

use fiber::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use fiber::runtime::{Handle, Runtime};
use fiber::time::{sleep, timeout};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn echo(mut peer: impl Read + Write) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match peer.read(&mut buf)? {
            0 => return Ok(()),
            n => peer.write_all(&buf[..n])?,
        }
    }
}

/// More than any socket buffers: both ends wait.
fn there_and_back(mut stream: TcpStream, seed: u8) -> io::Result<()> {
    let sent: Vec<u8> = (0..1 << 19).map(|n: u32| (n / 7) as u8 ^ seed).collect();
    let mut received = vec![0; sent.len()];
    let mut reader = stream.try_clone()?;
    fiber::scope(|s| {
        s.spawn(|| stream.write_all(&sent).unwrap());
        reader.read_exact(&mut received)
    })?;
    assert!(sent == received, "the bytes of client {seed} came back changed");
    Ok(())
}

fn sockets(folder: &Path) -> io::Result<()> {
    let listener = TcpListener::bind("localhost:0")?;
    let address = listener.local_addr()?;
    let server = fiber::spawn(move || -> io::Result<()> {
        for peer in listener.incoming() {
            let peer = peer?;
            fiber::spawn(move || echo(peer));
        }
        Ok(())
    });
    let clients: Vec<_> =
        (0..8).map(|seed| fiber::spawn(move || there_and_back(TcpStream::connect(address)?, seed))).collect();
    clients.into_iter().try_for_each(|client| client.join().unwrap())?;
    server.cancel();
    let end = server.join().map(|result| result.unwrap_err());
    assert!(end.is_ok_and(|error| error.get_ref().is_some_and(|source| source.is::<fiber::Cancelled>())));

    let path = folder.join("socket");
    let local = UnixListener::bind(&path)?;
    let asked = fiber::spawn(move || -> io::Result<String> {
        let mut stream = UnixStream::connect(&path)?;
        stream.write_all(b"question")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    echo(local.accept()?.0)?;
    assert_eq!(asked.join().unwrap()?, "question");

    let [one, two] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    let to = two.local_addr()?;
    let late = fiber::spawn(move || {
        sleep(Duration::from_millis(5));
        one.send_to(b"datagram", to)
    });
    assert_eq!(two.recv_from(&mut [0; 64])?.0, 8);
    assert_eq!(late.join().unwrap()?, 8);
    Ok(())
}

fn files(folder: &Path) -> io::Result<()> {
    use fiber::fs;
    let path = folder.join("lines");
    let mut file = fs::File::create(&path)?;
    (0..1000).try_for_each(|n| writeln!(file, "line {n}"))?;
    file.sync_all()?;
    let lines: io::Result<Vec<_>> = BufReader::new(fs::File::open(&path)?).lines().collect();
    assert_eq!(lines?[999], "line 999");
    assert_eq!(fs::metadata(&path)?.len(), 8890);
    fs::rename(&path, folder.join("renamed"))?;
    assert_eq!(fs::read_dir(folder)?.count(), 2);
    assert_eq!(fs::metadata(&path).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn timers() {
    let late = timeout(Duration::from_millis(2), || sleep(Duration::from_secs(600)));
    assert_eq!(late, Err(fiber::time::Elapsed));
    let sleepers: Vec<_> = (0..200).map(|n| fiber::spawn(move || sleep(Duration::from_micros(n * 50)))).collect();
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    assert_eq!(fiber::blocking(|| 6 * 7), 42);
}

/// Everything, while the others go on.
fn day() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("fiber-everyday-{}", std::process::id()));
    fiber::fs::create_dir(&folder)?;
    let work = fiber::scope(|s| {
        let sockets = s.spawn(|| sockets(&folder));
        timers();
        sockets.join().unwrap()?;
        files(&folder)
    });
    fiber::fs::remove_dir_all(&folder)?;
    work?;
    let handle = Handle::try_current().expect("this is a fiber");
    println!("{} by {}", handle.dump().driver(), handle.driver());
    Ok(())
}

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.run(day).expect("an everyday program");
    println!("done");
    ExitCode::SUCCESS
}
