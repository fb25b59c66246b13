//! Files and paths.

use crate::random::{Random, byte};
use crate::verified;
use fiber::fs::{self, File, OpenOptions};
use fiber::io::{copy, pipe};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A path of its own, with whatever comes to be there, which is removed with this.
struct Place(PathBuf);

impl Place {
    fn new(folder: &Path) -> Place {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Place(folder.join(NEXT.fetch_add(1, Relaxed).to_string()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fiber::shield(|| {
            let removed = match std::fs::symlink_metadata(&self.0) {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&self.0),
                Ok(_) => fs::remove_file(&self.0),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("not removed: {error:?}"),
                _ => (),
            }
        });
    }
}

/// Random changes of a file, and of a copy of what must be in it.
pub(crate) fn contents(random: &mut Random, folder: &Path) {
    const MOST: usize = 200_000;
    let place = Place::new(folder);
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&place.0);
    let Some(mut file) = random.try_for(open) else { return };
    let mut model: Vec<u8> = Vec::new();
    let mut position = 0;
    for step in 0..random.below(30) {
        let at = random.below(model.len() as u64 + 100) as usize;
        let len = random.length(MOST);
        match random.below(9) {
            0..3 => {
                let data: Vec<u8> = (0..len as u64).map(|i| byte(step, i)).collect();
                // A disk does not let itself be interrupted: what was begun is done, and told. So none of it, or so much.
                if let Some(written) = random.try_for(|| file.write_at(&data, at as u64)) {
                    let end = at + written;
                    model.resize(model.len().max(end), 0);
                    model[at..end].copy_from_slice(&data[..written]);
                }
            }
            3 => {
                let data = vec![step as u8; len];
                if let Some(written) = random.try_for(|| file.write(&data)) {
                    let end = position + written;
                    model.resize(model.len().max(end), 0);
                    model[position..end].fill(step as u8);
                    position = end;
                }
            }
            4 => {
                let mut buf = vec![0; len];
                if let Some(read) = random.try_for(|| file.read_at(&mut buf, at as u64)) {
                    assert_eq!(read, len.min(model.len().saturating_sub(at)), "a file is read as far as it goes");
                    assert!(read == 0 || buf[..read] == model[at..at + read]);
                    verified(read);
                }
            }
            5 => {
                let mut buf = vec![0; len];
                if let Some(read) = random.try_for(|| file.read(&mut buf)) {
                    assert_eq!(read, len.min(model.len().saturating_sub(position)), "a file is read as far as it goes");
                    assert!(read == 0 || buf[..read] == model[position..position + read]);
                    position += read;
                    verified(read);
                }
            }
            6 => {
                let to = random.try_for(|| file.seek(SeekFrom::Start(at as u64)));
                position = to.map_or(position, |to| to as usize);
            }
            7 => {
                if random.try_for(|| file.set_len(at as u64)).is_some() {
                    model.resize(at, 0);
                }
            }
            _ => {
                if let Some(metadata) = random.try_for(|| file.metadata()) {
                    assert_eq!(metadata.len(), model.len() as u64);
                }
                let _ = random.try_for(|| if at.is_multiple_of(8) { file.sync_data() } else { Ok(()) });
            }
        }
    }
    drop(file);
    if let Some(content) = random.try_for(|| fs::read(&place.0)) {
        assert!(content == model, "a file has what was written to it");
        verified(content.len());
    }
}

/// Random changes of a folder, and of a list of what must be in it.
pub(crate) fn paths(random: &mut Random, folder: &Path) {
    let place = Place::new(folder);
    if random.try_for(|| fs::create_dir(&place.0)).is_none() {
        return;
    }
    let mut there = [const { None::<u8> }; 6];
    for step in 0..random.below(20) {
        let (one, two) = (random.below(6) as usize, random.below(6) as usize);
        let path = |number: usize| place.0.join(number.to_string());
        match random.below(4) {
            0 => {
                // Opened, written and closed: cut short, it leaves a file without all of it. So it is made again.
                let write = || fs::write(path(one), [step as u8; 100]);
                if random.try_for(write).is_none() {
                    let Ok(()) = fiber::shield(write) else { panic!("it can be written") };
                }
                there[one] = Some(step as u8);
            }
            1 if there[one].is_some() => {
                if random.try_for(|| fs::rename(path(one), path(two))).is_some() && one != two {
                    there[two] = there[one].take();
                }
            }
            2 if there[one].is_some() => {
                if random.try_for(|| fs::remove_file(path(one))).is_some() {
                    there[one] = None;
                }
            }
            _ => {
                let exists = random.try_for(|| fs::exists(path(one)));
                assert!(exists.is_none_or(|exists| exists == there[one].is_some()));
                if let (Some(content), Some(number)) =
                    (there[one], random.try_for(|| fs::metadata(path(one)).map(|it| it.len()).or(Ok(0))))
                {
                    assert!(number == 100 || number == 0, "{content} at {number}");
                }
            }
        }
    }
    let list = || fs::read_dir(&place.0)?.map(|entry| entry.map(drop)).collect::<std::io::Result<Vec<()>>>();
    if let Some(names) = random.try_for(list) {
        assert_eq!(names.len(), there.iter().flatten().count());
    }
    for (number, content) in there.iter().enumerate() {
        if let Some(content) = content
            && let Some(found) = random.try_for(|| fs::read(place.0.join(number.to_string())))
        {
            assert_eq!(found, [*content; 100]);
            verified(100);
        }
    }
}

/// Through a pipe into a file, and from there into another.
pub(crate) fn copies(random: &mut Random, folder: &Path) {
    let (one, two) = (Place::new(folder), Place::new(folder));
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let data: Vec<u8> = (0..random.length(500_000) as u64).map(|at| byte(7, at)).collect();
    let copied = fiber::scope(|scope| {
        let data = &data;
        scope.spawn(move || writer.write_all(data));
        let copied = File::create(&one.0).and_then(|mut file| copy(&mut reader, &mut file));
        // Who still writes sees that nobody reads.
        drop(reader);
        copied
    });
    let content = fiber::shield(|| fs::read(&one.0)).unwrap_or_default();
    assert!(data.starts_with(&content), "what has arrived is the beginning");
    assert!(copied.is_err() || copied.is_ok_and(|copied| copied == content.len() as u64));
    if let Some(copied) = random.try_for(|| fs::copy(&one.0, &two.0).or_else(absent)) {
        let content = fiber::shield(|| fs::read(&two.0)).unwrap_or_default();
        assert_eq!(copied, content.len() as u64);
        assert!(data.starts_with(&content));
        verified(content.len());
    }
}

/// A file that was not made has nothing to copy.
fn absent(error: std::io::Error) -> std::io::Result<u64> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(0) } else { Err(error) }
}
