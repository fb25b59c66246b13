//! A block of a file, as direct reads want it, and the file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) const SIZE: usize = 4096;

#[repr(align(4096))]
pub(super) struct Aligned(pub(super) [u8; SIZE]);

pub(super) struct Block(pub(super) Box<Aligned>);

impl Block {
    pub(super) fn new() -> Block {
        Block(Box::new(Aligned([0; SIZE])))
    }

    /// What it begins with.
    pub(super) fn number(&self) -> u64 {
        number(&self.0.0)
    }
}

pub(super) fn number(block: &[u8]) -> u64 {
    u64::from_le_bytes(block[..8].try_into().expect("eight bytes"))
}

pub(super) fn open(path: &Path, direct: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if direct {
        options.custom_flags(libc::O_DIRECT);
    }
    options.open(path)
}
