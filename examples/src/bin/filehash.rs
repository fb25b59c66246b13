//! Hashes every file of a tree, in parallel, and prints what `sha256sum` prints.
//!
//! ```sh
//! cargo run --release --bin filehash -- /usr/share/doc
//! ```
//!
//! Each directory and each file has a fiber of its own, so the walk and the reading of thousands of files overlap. A semaphore
//! keeps the number of open files below the system's limit. Symbolic links are left alone.

use clap::Parser;
use fiber::fs::{self, File};
use fiber::io::{self, ErrorKind, Read, Write};
use fiber::sync::Semaphore;
use fiber::sync::mpsc::{Sender, channel};
use fiber::time::Instant;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints the SHA-256 of every file of some trees, in the order of their names.
#[derive(Parser)]
struct Arguments {
    /// Files and directories
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    /// Files and directories that are open at once
    #[arg(long, default_value_t = 256)]
    at_once: usize,
}

/// What became of a path.
struct Outcome {
    path: PathBuf,
    /// Digest and length.
    result: io::Result<(String, u64)>,
}

/// What all fibers of the walk share.
struct Walk {
    open: Semaphore,
    outcomes: Sender<Outcome>,
}

impl Walk {
    /// Hashes a file, or all that is in a directory; returns when everything below it is done.
    fn visit(&self, path: &Path) {
        let outcome = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => self.visit_all(path).map(|()| None),
            Ok(found) if found.is_file() => self.hash(path).map(Some),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        if let Some(result) = outcome.transpose() {
            // The receiver stays until every fiber of the walk has ended.
            let _ = self.outcomes.send(Outcome { path: path.to_owned(), result });
        }
    }

    fn visit_all(&self, directory: &Path) -> io::Result<()> {
        let entries: Vec<_> = {
            let _permit = self.open.acquire();
            fs::read_dir(directory)?.collect::<io::Result<_>>()?
        };
        fiber::scope(|scope| {
            for entry in entries {
                scope.spawn(move || self.visit(&entry.path()));
            }
        });
        Ok(())
    }

    fn hash(&self, path: &Path) -> io::Result<(String, u64)> {
        let _permit = self.open.acquire();
        let mut file = File::open(path)?;
        let (mut hash, mut buffer, mut length) = (Sha256::new(), vec![0; 64 << 10], 0);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hash.update(&buffer[..n]);
                    length += n as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((digest, length))
    }
}

/// Walks all the trees.
fn walk(paths: &[PathBuf], at_once: usize) -> Vec<Outcome> {
    let (outcomes, results) = channel();
    let walk = Walk { open: Semaphore::new(at_once), outcomes };
    fiber::scope(|scope| {
        for path in paths {
            scope.spawn(|| walk.visit(path));
        }
    });
    drop(walk);
    let mut all: Vec<_> = results.into_iter().collect();
    all.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    all
}

#[fiber::main]
fn main() -> io::Result<ExitCode> {
    let Arguments { paths, at_once } = Arguments::parse();
    let begin = Instant::now();
    let (mut files, mut bytes, mut failed) = (0, 0, 0);
    let mut out = io::BufWriter::new(io::stdout().lock());
    for Outcome { path, result } in walk(&paths, at_once.max(1)) {
        match result {
            Ok((digest, length)) => {
                write!(out, "{digest}  ")?;
                out.write_all(path.as_os_str().as_bytes())?;
                writeln!(out)?;
                files += 1;
                bytes += length;
            }
            Err(error) => {
                fiber::eprintln!("{}: {error}", path.display());
                failed += 1;
            }
        }
    }
    out.flush()?;
    fiber::eprintln!("{files} files, {bytes} bytes, {failed} failed, in {:.2?}", begin.elapsed());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
