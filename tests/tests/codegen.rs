//! What the checks leave in an optimised program: nothing. A function with an attribute and the same one without compile
//! to the same instructions, and to the same places in panic messages.

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

#[test]
fn a_checked_function_compiles_to_what_it_is_without_the_check() {
    let bare = assembly("bare", "");
    for attribute in ["#[fiber::check]", "#[fiber::check(checkpoints = true)]"] {
        let checked = assembly("checked", attribute);
        assert!(bare.contains("walked"), "the function is there");
        let difference = bare.lines().zip(checked.lines()).position(|(bare, checked)| bare != checked);
        assert!(
            bare == checked,
            "{attribute} changes the code, from line {difference:?} on: {:#?}",
            difference.map(|line| [&bare, &checked].map(|text| text.lines().skip(line).take(5).collect::<Vec<_>>()))
        );
    }
}

/// The optimised assembly of the source with `attribute`, without what only names files.
fn assembly(name: &str, attribute: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    fs::create_dir_all(&folder).unwrap();
    // The same file name: it is in the panic messages.
    let source = folder.join("source.rs");
    fs::write(&source, SOURCE.replace("ATTRIBUTE", attribute)).unwrap();
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
