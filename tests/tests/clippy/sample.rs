//! What `cargo clippy` says about this crate with the generated `clippy.toml`: each line that it reports names the lints
//! behind it, and the others are clean.

pub mod reported {
    use std::fs::File; //~ disallowed_types
    use std::io;
    use std::sync::mpsc::Receiver as Mailbox; //~ disallowed_types
    use std::thread::sleep as nap;
    use std::time::Duration;

    pub fn functions(path: &str) -> io::Result<String> {
        nap(Duration::from_secs(1)); //~ disallowed_methods
        std::thread::park(); //~ disallowed_methods
        std::fs::read_to_string(path) //~ disallowed_methods
    }

    pub fn as_a_value(paths: &[&str]) -> usize {
        paths.iter().map(std::fs::read).filter(Result::is_ok).count() //~ disallowed_methods
    }

    pub fn of_types(path: &str) -> io::Result<u64> {
        let file = File::open(path)?; //~ disallowed_methods disallowed_types
        Ok(file.metadata()?.len()) //~ disallowed_methods
    }

    pub fn behind_an_arc(total: &std::sync::Arc<std::sync::Mutex<u64>>) { //~ disallowed_types
        *total.lock().unwrap() += 1; //~ disallowed_methods
    }

    pub fn in_a_macro(path: &std::path::Path) {
        println!("{}", path.exists()); //~ disallowed_methods
    }

    pub fn by_its_type(mailbox: &Mailbox<u8>) { //~ disallowed_types
        let _ = mailbox.recv(); //~ disallowed_methods
    }
}

/// What the attributes put beside these calls must not be reported either.
pub mod clean {
    use fiber::net::TcpStream;
    use fiber::sync::Mutex;
    use std::io::{self, BufReader, Read, Write};
    use std::time::Duration;

    mod fs {
        pub fn read(path: &str) -> usize {
            path.len()
        }
    }

    fn sleep(_: Duration) {}

    #[fiber::task]
    pub fn serve(mut peer: TcpStream, served: std::sync::Arc<Mutex<u64>>) -> io::Result<()> {
        let mut buffer = [0; 16];
        while peer.read(&mut buffer)? > 0 {
            peer.write_all(&buffer)?;
            *served.lock().unwrap() += 1;
        }
        fiber::time::sleep(Duration::from_millis(1));
        Ok(())
    }

    #[fiber::task]
    pub fn look_alikes(path: &str) -> usize {
        sleep(Duration::from_secs(1));
        let lengths = [path].map(fs::read);
        let mut text = String::new();
        BufReader::new(path.as_bytes()).read_to_string(&mut text).map_or(0, |length| length + lengths[0])
    }

    #[fiber::check]
    pub fn nothing_waits(total: &std::sync::atomic::AtomicU64) {
        println!("{}", total.load(std::sync::atomic::Ordering::Relaxed));
    }
}

/// Where blocking is meant, both are told.
pub mod exempt {
    #[expect(clippy::disallowed_types, reason = "shared with threads")]
    type Total = std::sync::Mutex<u64>;

    #[fiber::task]
    #[expect(clippy::disallowed_methods, reason = "held for a few instructions, never across a wait")]
    pub fn count(total: &Total) {
        #[fiber::allow_blocking(reason = "held for a few instructions, never across a wait")]
        let mut total = total.lock().unwrap();
        *total += 1;
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
    pub fn on_a_thread() {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}
