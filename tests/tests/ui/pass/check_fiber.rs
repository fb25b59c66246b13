//! What fibers use instead, under the same names, and what of std does not wait: none of it is refused.

#![deny(warnings)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, TryLockError};
use std::time::{Duration, Instant};

#[fiber::check]
mod waiting {
    use super::*;
    use fiber::fs::{self, File, OpenOptions};
    use fiber::net::{TcpListener, TcpStream};
    use fiber::sync::{mpsc, Barrier, Condvar, LazyLock, Mutex, Once, RwLock};
    use fiber::time::{self, sleep};

    static LAZY: LazyLock<u32> = LazyLock::new(|| 5);

    pub fn locks() -> u32 {
        let shared = Arc::new((Mutex::new(1), Condvar::new()));
        let other = Arc::clone(&shared);
        let setter = fiber::spawn(move || {
            *other.0.lock().unwrap() = 2;
            other.1.notify_all();
        });
        let (lock, changed) = &*shared;
        let mut value = lock.lock().unwrap();
        while *value != 2 {
            value = changed.wait(value).unwrap();
        }
        let value = changed.wait_while(value, |value| *value != 2).unwrap();
        setter.join().unwrap();
        let table = RwLock::new(HashMap::from([("a", *value)]));
        table.write().unwrap().insert("b", 3);
        let sum = table.read().unwrap().values().sum::<u32>();
        let once = Once::new();
        once.call_once(|| ());
        Barrier::new(1).wait();
        sum + *LazyLock::force(&LAZY) + *fiber::sync::OnceLock::new().get_or_init(|| 1)
    }

    pub fn channels() -> u32 {
        let (sender, receiver) = mpsc::sync_channel(1);
        let sending = fiber::spawn(move || (0..5).for_each(|x| sender.send(x).unwrap()));
        let mut sum = receiver.recv().unwrap() + receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        sum += receiver.iter().take(1).sum::<u32>();
        for x in &receiver {
            sum += x;
        }
        sending.join().unwrap();
        sum + receiver.into_iter().count() as u32
    }

    pub fn sleeping() {
        sleep(Duration::from_nanos(1));
        time::sleep(Duration::ZERO);
        fiber::time::sleep_until(Instant::now());
        [Duration::ZERO].into_iter().for_each(sleep);
        fiber::yield_now();
        fiber::scope(|scope| {
            scope.spawn(|| sleep(Duration::ZERO)).join().unwrap();
        });
    }

    pub fn network() -> std::io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let client = fiber::spawn(move || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(address)?;
            write!(stream, "hello ")?;
            Write::write_all(&mut stream, b"world\n")
        });
        let (mut stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line)?;
        client.join().unwrap()?;
        let _ = stream.read(&mut [0])?;
        Ok(line)
    }

    pub fn files(path: &Path) -> std::io::Result<(String, u64)> {
        fs::write(path, "one\n")?;
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(b"two\n")?;
        file.sync_all()?;
        let mut text = String::new();
        File::open(path)?.read_to_string(&mut text)?;
        let length = File::open(path)?.metadata()?.len() + fs::metadata(path)?.len();
        let exists = fs::exists(path)?;
        fs::remove_file(path)?;
        assert!(exists && !fs::exists(path)?);
        Ok((text, length))
    }

    pub fn elsewhere(path: &Path) -> u32 {
        let read = path.to_owned();
        let exists = fiber::blocking(move || read.exists() || std::fs::read(&read).is_ok());
        let on_a_thread = std::thread::spawn(|| std::thread::sleep(Duration::from_nanos(1)));
        assert!(fiber::blocking(move || on_a_thread.join()).is_ok());
        u32::from(exists)
    }
}

#[fiber::check]
mod harmless {
    use super::*;
    use std::sync::{mpsc, Mutex, RwLock};
    use std::thread;

    static COUNT: AtomicU32 = AtomicU32::new(0);

    pub fn tries() -> u32 {
        let (mutex, lock) = (Mutex::new(1), RwLock::new(2));
        let guard = mutex.try_lock().unwrap();
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
        let sum = *guard + *lock.try_read().unwrap();
        drop(guard);
        *lock.try_write().unwrap() += sum;
        let (sender, receiver) = mpsc::channel();
        sender.send(3).unwrap();
        sender.clone().send(4).unwrap();
        let first = receiver.try_recv().unwrap_or(0);
        let rest: u32 = receiver.try_iter().sum();
        let (bounded, _receiver) = mpsc::sync_channel(1);
        bounded.try_send(5).unwrap();
        let mut mutex = mutex;
        *mutex.get_mut().unwrap() += 1;
        let once = OnceLock::<u32>::new();
        once.get().copied().unwrap_or(0) + sum + first + rest + lock.into_inner().unwrap() + mutex.into_inner().unwrap()
    }

    pub fn threads() -> bool {
        thread::yield_now();
        let handle = thread::Builder::new().spawn(|| thread::current().id()).unwrap();
        handle.thread().unpark();
        COUNT.fetch_add(1, Ordering::Relaxed);
        let _ = handle.is_finished() || thread::panicking() || thread::available_parallelism().is_ok();
        thread::current().id() != handle.thread().id()
    }

    pub fn printing() -> std::io::Result<()> {
        print!("");
        eprint!("");
        let mut out = std::io::stdout();
        out.write_all(b"")?;
        write!(std::io::stdout().lock(), "")?;
        std::io::stderr().flush()
    }

    pub fn memory() -> std::io::Result<(Vec<u8>, String)> {
        let mut bytes = Vec::new();
        bytes.write_all(b"one two\nthree")?;
        write!(bytes, "{}", 4)?;
        writeln!(&mut bytes)?;
        let mut cursor = Cursor::new(bytes);
        let mut word = [0; 3];
        cursor.read_exact(&mut word)?;
        let mut rest = String::new();
        BufReader::new(&mut cursor).read_line(&mut rest)?;
        cursor.rewind()?;
        for byte in (&mut cursor).bytes().take(2) {
            rest.push(char::from(byte?));
        }
        let mut slice = &b"slice"[..];
        slice.read_to_string(&mut rest)?;
        let mut writer = BufWriter::new(Vec::new());
        std::io::copy(&mut Cursor::new([1, 2]), &mut writer)?;
        std::io::copy(&mut &word[..], &mut std::io::sink())?;
        rest += &std::io::read_to_string(std::io::empty())?;
        for line in "a\nb".as_bytes().lines() {
            rest += &line?;
        }
        writer.flush()?;
        Ok((writer.into_inner()?, rest))
    }

    pub fn paths(path: &Path) -> usize {
        let joined = path.join("file").with_extension("rs");
        let parts = joined.iter().count() + joined.components().count();
        let command = std::process::Command::new("true").arg("x").get_args().len();
        parts
            + joined.display().to_string().len()
            + command
            + "127.0.0.1:1".parse::<std::net::SocketAddr>().map_or(0, |_| 1)
    }
}

#[fiber::main]
fn main() {
    assert_eq!(waiting::locks(), 11);
    assert_eq!(waiting::channels(), 10);
    waiting::sleeping();
    assert_eq!(waiting::network().unwrap(), "hello world\n");
    let path = std::env::temp_dir().join(format!("fiber-check-{}", std::process::id()));
    assert_eq!(waiting::files(&path).unwrap(), ("one\ntwo\n".to_owned(), 16));
    assert_eq!(waiting::elsewhere(&path), 0);
    assert_eq!(harmless::tries(), 17);
    assert!(harmless::threads());
    harmless::printing().unwrap();
    harmless::memory().unwrap();
    harmless::paths(&path);
}
