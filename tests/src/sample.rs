//! A crate that depends on fiber as a user's does, to see what the compiler and its tools say about it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the workspace.
pub const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs cargo there.
///
/// # Panics
///
/// If it does not start.
pub fn cargo(directory: &Path, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(directory);
    // They are about the builds of whoever runs the tests.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_RUSTFLAGS").env_remove("CLIPPY_CONF_DIR");
    cargo.output().expect("cargo starts")
}

/// A crate that depends on fiber, with the versions of the workspace.
///
/// Its folder stays, so that the next run finds what this one has built.
#[derive(Debug)]
pub struct Sample {
    name: String,
    folder: PathBuf,
}

impl Sample {
    /// A crate without code in the folder `name` of `scratch`.
    ///
    /// # Panics
    ///
    /// If the file system does not let it.
    #[must_use]
    pub fn new(scratch: &str, name: &str) -> Self {
        let sample = Self { name: name.to_owned(), folder: Path::new(scratch).join(name) };
        let runtime = Path::new(WORKSPACE).join("runtime");
        let manifest = format!(
            "[package]\nname = {name:?}\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nfiber = {{ path = {runtime:?} }}\n"
        );
        sample.write("Cargo.toml", &manifest);
        let lock = fs::read_to_string(Path::new(WORKSPACE).join("Cargo.lock")).unwrap();
        sample.write("Cargo.lock", &lock);
        sample
    }

    /// Writes one of its files.
    ///
    /// # Panics
    ///
    /// If the file system does not let it.
    pub fn write(&self, file: &str, text: &str) {
        let file = self.folder.join(file);
        fs::create_dir_all(file.parent().expect("it is in the folder")).unwrap();
        fs::write(file, text).unwrap();
    }

    /// What `cargo check` or `cargo clippy` has to say, a JSON object for each message of the compiler; and whether it
    /// succeeded.
    ///
    /// # Panics
    ///
    /// If cargo fails without a message of the compiler.
    #[must_use]
    pub fn messages(&self, command: &str) -> (bool, Vec<Value>) {
        let target = self.folder.with_file_name("sample-target");
        let target = target.to_str().expect("the path is text");
        let arguments = ["--offline", "--quiet", "--message-format=json", "--target-dir", target];
        let output = cargo(&self.folder, &[&[command], &arguments[..]].concat());
        let printed = String::from_utf8_lossy(&output.stdout);
        let messages = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("cargo prints JSON"));
        let own = |message: &Value| {
            message["target"]["name"].as_str().is_some_and(|name| name.replace('_', "-") == self.name)
        };
        let messages: Vec<_> =
            messages.filter(|message| own(message)).map(|mut message| message["message"].take()).collect();
        assert!(output.status.success() || !messages.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.success(), messages.into_iter().filter(|message| !message.is_null()).collect())
    }
}
