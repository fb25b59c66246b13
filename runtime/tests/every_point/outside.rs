//! The outside world: sockets, pipes, files, processes.

use crate::step::{Counter, Step, Token, give_way};
use fiber::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use fiber::{fs, io::pipe, process::Command};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) fn steps(token: &Token) -> Vec<Step> {
    vec![
        connecting(token),
        accepting(token),
        reading(token),
        writing(token),
        datagrams(token),
        pipes(token),
        copying(token),
        files(token),
        processes(token),
    ]
}

/// Gives back what it reads until the other end is closed.
fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        give_way();
        if stream.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
}

fn connecting(token: &Token) -> Step {
    let token = token.clone();
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    // Once nobody has it, the port may be that of somebody else's listener.
    let kept = listener.clone();
    let ours = move || {
        let _token = token;
        let mut stream = TcpStream::connect(address)?;
        let mut buffer = [0; 5];
        for _ in 0..2 {
            stream.write_all(b"hello")?;
            stream.read_exact(&mut buffer)?;
            assert_eq!(&buffer, b"hello");
        }
        Ok(())
    };
    Step::new("connecting", ours)
        .with(move || {
            // Fails when the runtime ends.
            if let Ok((stream, _)) = listener.accept() {
                echo(stream);
            }
        })
        // For nobody, if the fiber was struck after its connection was accepted.
        .rescue(move || drop((std::net::TcpStream::connect(address), kept)))
}

fn accepting(token: &Token) -> Step {
    let token = token.clone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ours = move || {
        let _token = token;
        let (mut stream, _) = listener.accept()?;
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer)?;
        stream.write_all(&buffer)
    };
    Step::new("accepting", ours).with(move || {
        // Whatever it gets from a fiber that is gone.
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        give_way();
        let _ = stream.write_all(b"hello");
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// No byte is lost: what the fiber has not read is still there.
fn reading(token: &Token) -> Step {
    const ROUNDS: u64 = 3;
    let (token, read) = (token.clone(), Counter::default());
    let (stream, mut other) = UnixStream::pair().unwrap();
    let (stream, counts) = (Arc::new(stream), read.clone());
    let rest = stream.clone();
    let ours = move || {
        let _token = token;
        let mut buffer = [0; 8];
        while counts.get() < ROUNDS * 20 {
            counts.add((&*stream).read(&mut buffer)? as u64);
        }
        Ok(())
    };
    Step::new("reading", ours)
        .with(move || {
            for _ in 0..ROUNDS {
                give_way();
                let _ = other.write_all(&[7; 20]);
            }
        })
        .check(move |_| {
            let left = (&*rest).read_to_end(&mut Vec::new()).unwrap();
            assert_eq!(read.get() + left as u64, ROUNDS * 20);
        })
}

/// No byte is sent that is not reported, and none is reported that is not sent.
fn writing(token: &Token) -> Step {
    let (token, written, received) = (token.clone(), Counter::default(), Counter::default());
    let (mut stream, mut other) = UnixStream::pair().unwrap();
    let (counts, counts_received) = (written.clone(), received.clone());
    let ours = move || {
        let _token = token;
        // Above what a socket takes at once.
        let data = vec![7; 400_000];
        for _ in 0..2 {
            counts.add(stream.write(&data)? as u64);
        }
        Ok(())
    };
    Step::new("writing", ours)
        .with(move || {
            give_way();
            let mut buffer = vec![0; 50_000];
            while let Ok(read @ 1..) = other.read(&mut buffer) {
                counts_received.add(read as u64);
            }
        })
        .check(move |_| assert_eq!(written.get(), received.get()))
}

fn datagrams(token: &Token) -> Step {
    let token = token.clone();
    let (socket, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (address, back) = (socket.local_addr().unwrap(), other.local_addr().unwrap());
    let ours = move || {
        let _token = token;
        let mut buffer = [0; 16];
        let (read, from) = socket.recv_from(&mut buffer)?;
        assert_eq!((read, from), (4, back));
        socket.send_to(&buffer[..read], from)?;
        Ok(())
    };
    Step::new("datagrams", ours).with(move || {
        give_way();
        let _ = other.send_to(b"ping", address);
    })
}

fn pipes(token: &Token) -> Step {
    let token = token.clone();
    let ((mut reader, mut theirs), (from_us, mut writer)) = (pipe().unwrap(), pipe().unwrap());
    let ours = move || {
        let _token = token;
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        assert_eq!(text, "through a pipe");
        writer.write_all(&[1; 100_000])
    };
    Step::new("pipes", ours)
        .with(move || {
            give_way();
            let _ = theirs.write_all(b"through a pipe");
        })
        .with(move || {
            let mut from_us = from_us;
            give_way();
            let mut all = Vec::new();
            let _ = from_us.read_to_end(&mut all);
        })
}

fn copying(token: &Token) -> Step {
    let (token, copied, received) = (token.clone(), Counter::default(), Counter::default());
    let ((mut reader, mut theirs), (mut from_us, mut writer)) = (pipe().unwrap(), pipe().unwrap());
    let (counts, counts_received) = (copied.clone(), received.clone());
    let ours = move || {
        let _token = token;
        counts.add(fiber::io::copy(&mut reader, &mut writer)?);
        Ok(())
    };
    Step::new("copying", ours)
        .with(move || {
            for _ in 0..2 {
                give_way();
                let _ = theirs.write_all(&[7; 30_000]);
            }
        })
        .with(move || {
            let mut all = Vec::new();
            let _ = from_us.read_to_end(&mut all);
            counts_received.add(all.len() as u64);
        })
        .check(move |is_done| assert!(!is_done || (copied.get(), received.get()) == (60_000, 60_000)))
}

fn files(token: &Token) -> Step {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let token = token.clone();
    let name = format!("fiber-every-point-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
    let path = std::env::temp_dir().join(name);
    let left = path.clone();
    let ours = move || {
        let _token = token;
        fs::write(&path, "first")?;
        let mut file = fs::File::options().append(true).open(&path)?;
        file.write_all(b", second")?;
        file.sync_all()?;
        drop(file);
        assert_eq!(fs::read_to_string(&path)?, "first, second");
        fs::remove_file(&path)
    };
    Step::new("files", ours).check(move |is_done| {
        let removed = std::fs::remove_file(left);
        assert!(!is_done || removed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    })
}

fn processes(token: &Token) -> Step {
    let token = token.clone();
    Step::new("processes", move || {
        let _token = token;
        let output = Command::new("echo").arg("hello").output()?;
        assert_eq!(output.stdout, b"hello\n");
        let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
        child.kill()?;
        assert!(!child.wait()?.success());
        Ok(())
    })
}
