//! What the attributes leave in an optimised program. Checks: nothing; a function with them and the same one without compile to the
//! same instructions, and to the same places in panic messages. Checkpoints: a load and a branch, and nothing in loops that call
//! nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Calls with names of the table, none of which blocks; in every form that the attribute rewrites.
const SOURCE: &str = r#"
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};

pub struct Own(pub Vec<u8>);

impl Own {
    #[inline(never)]
    pub fn lock(&mut self) -> Option<&mut Vec<u8>> {
        Some(&mut self.0)
    }

    #[inline(never)]
    pub fn join(self) -> usize {
        self.0.len()
    }
}

#[inline(never)]
fn open(name: &str) -> Result<Own, String> {
    Ok(Own(name.into()))
}

#[inline(never)]
fn read<T: AsRef<str>>(name: T) -> usize {
    name.as_ref().len()
}

#[inline(never)]
fn sleep(by: u64) -> u64 {
    by + 1
}

ATTRIBUTE
pub fn walked(names: &[&str], sizes: &HashMap<String, usize>, mut source: &[u8]) -> Result<String, String> {
    let mut text = String::new();
    let mut own = Own(Vec::new());
    own.lock().unwrap().push(1);
    for name in names.iter().map(|name| name.trim()) {
        let length = read(name) + read(name.to_owned());
        open(name)?.lock().expect("always").extend_from_slice(name.as_bytes());
        write!(text, "{length}").unwrap();
        text.push_str(&sleep(length as u64).to_string());
    }
    let mut chunk = [0; 16];
    while let Ok(count) = source.read(&mut chunk) {
        if count == 0 {
            break;
        }
        own.lock().unwrap().write_all(&chunk[..count]).unwrap();
    }
    for (name, size) in sizes.iter() {
        writeln!(&mut text, "{name} {size}").unwrap();
    }
    io::copy(&mut source, &mut io::sink()).map_err(|error| error.to_string())?;
    let joined = own.join();
    let lines = text.lines().map(read).sum::<usize>();
    match open("last")?.lock() {
        Some(last) if last.len() > joined => Ok(text),
        _ => Err(format!("{lines}")),
    }
}
"#;

/// A loop that calls nothing and that the compiler vectorises, inside one that gets a checkpoint.
const VECTORS: &str = r#"
ATTRIBUTE
#[inline(never)]
pub fn scale(row: &mut [f32], by: f32) {
    for number in row.iter_mut() {
        *number *= by;
    }
}
"#;

/// One that gets a checkpoint, unless its attribute says otherwise.
const WAITING: &str = r#"
ATTRIBUTE
pub fn position(bytes: &[u8], wanted: u8) -> usize {
    let mut index = 0;
    while bytes[index] != wanted {
        index += 1;
    }
    index
}
"#;

#[test]
fn a_checked_function_compiles_to_what_it_is_without_the_check() {
    assert!(assembly("bare", SOURCE, "").contains("walked"), "the function is there");
    same(SOURCE, "", "#[fiber::check]");
}

#[test]
fn innermost_loops_without_calls_are_left_as_they_are() {
    assert!(assembly("bare", VECTORS, "").contains("scale"), "the function is there");
    same(VECTORS, "", "#[fiber::check(checkpoints = true)]");
}

#[test]
fn a_checkpoint_is_one_load_and_a_branch() {
    let bare = assembly("bare", WAITING, "");
    let checked = assembly("checked", WAITING, "#[fiber::check(checkpoints = true)]");
    // What reads the word is what names it: the one place, and the table of names that some targets take it from.
    let reads = |text: &str| text.lines().filter(|line| line.contains("slice") && line.contains("OPEN")).count();
    assert_eq!(reads(&bare), 0);
    assert!((1..=3).contains(&reads(&checked)), "{checked}");
    assert!(checked.contains("slice6answer"), "out of line, for when the slice is over: {checked}");
    same(WAITING, "", "#[fiber::check(checkpoints = false)]");
}

/// Wants the source to compile to the same with both attributes.
fn same(source: &str, one: &str, other: &str) {
    let (bare, checked) = (assembly("bare", source, one), assembly("checked", source, other));
    let difference = bare.lines().zip(checked.lines()).position(|(bare, checked)| bare != checked);
    assert!(
        bare == checked,
        "{other} changes the code, from line {difference:?} on: {:#?}",
        difference.map(|line| [&bare, &checked].map(|text| text.lines().skip(line).take(5).collect::<Vec<_>>()))
    );
}

/// The optimised assembly of the source with `attribute`, without what only names files.
fn assembly(name: &str, text: &str, attribute: &str) -> String {
    // Of the test's own: they run at once.
    let folder = format!("codegen-{}", std::thread::current().name().unwrap());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).unwrap();
    // The same file name: it is in the panic messages.
    let source = folder.join("source.rs");
    fs::write(&source, text.replace("ATTRIBUTE", attribute)).unwrap();
    let output = folder.join(format!("{name}.s"));
    let libraries = env::current_exe().unwrap().parent().unwrap().to_owned();
    let status = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--crate-name", "codegen", "--crate-type", "lib", "--edition", "2024", "--emit", "asm", "-O"])
        .args(["-C", "symbol-mangling-version=v0", "-C", "codegen-units=1", "-C", "metadata=same", "-D", "warnings"])
        .arg("-o")
        .arg(&output)
        .arg("-L")
        .arg(format!("dependency={}", libraries.display()))
        .arg("--extern")
        .arg(format!("fiber={}", library(&libraries).display()))
        .arg(&source)
        .status()
        .unwrap();
    assert!(status.success(), "{attribute:?} does not compile");
    fs::read_to_string(output).unwrap()
}

/// The library that cargo built for this test: the newest, if there are several of other features or profiles.
fn library(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let ours = files.filter(|file| {
        let name = file.file_name().into_string().unwrap();
        name.starts_with("libfiber-") && name.ends_with(".rlib")
    });
    ours.max_by_key(|file| file.metadata().unwrap().modified().unwrap()).expect("the library is built").path()
}
