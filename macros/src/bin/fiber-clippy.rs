//! Prints a `clippy.toml` with what blocks in std, for crates whose code runs on fibers.
//!
//! The attributes check the functions that they stand on. Clippy checks a whole crate, by name only: its lints
//! `disallowed_methods` and `disallowed_types` report what this file lists. A method of a trait cannot be listed by the type
//! that it is called on; there the type itself is.
//!
//! With `--markdown` it prints the page of the guide that lists everything the attributes refuse. Both come from the
//! table of the attributes.

#[allow(dead_code, unused_imports, reason = "the rest of it is for the attributes")]
#[path = "../table/mod.rs"]
mod table;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use table::{Entry, Form, TYPES, WRAPPERS, entries, method};

const HELP: &str = "\
Prints a clippy.toml that forbids what blocks the worker of a fiber, for a whole crate.

Usage: fiber-clippy [--markdown]

Put what it prints into `clippy.toml` beside the crate's Cargo.toml, then run `cargo clippy`. Code that does not run
on fibers says so: #[expect(clippy::disallowed_methods, reason = \"...\")], and likewise for disallowed_types.

Options:
      --markdown  Print the guide's page of everything that the attributes refuse
  -h, --help      Print this
";

fn main() -> ExitCode {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let text = match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        [] => clippy_toml(),
        ["--markdown"] => page(),
        ["-h" | "--help"] => HELP.to_owned(),
        unknown => {
            // Nothing can be done if this fails.
            let _ = write!(io::stderr(), "fiber-clippy: unexpected arguments: {}\n\n{HELP}", unknown.join(" "));
            return ExitCode::from(2);
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "fiber-clippy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration of clippy.
fn clippy_toml() -> String {
    let mut text = format!(
        "\
# What blocks the worker of a fiber, for `cargo clippy`. Written by fiber-clippy {}; write it again after an update.
#
# Clippy goes by names: it reports these in code that does not run on fibers, too. Not here is what blocks only by what it
# is given (`std::io::copy`), and the methods of traits (`Read`, `Write`), which cannot be named by type.

disallowed-methods = [
",
        env!("CARGO_PKG_VERSION")
    );
    for entry in entries() {
        match entry.form {
            Form::Function(function) if function.calls.is_empty() => {
                // Clippy puts a colon and the replacement behind the reason.
                let reason = format!("{}; on a fiber, call", entry.reason);
                row(&mut text, &entry.path, Some(function.replacement), &reason);
            }
            // No `replacement`: `clippy --fix` would put it behind the dot, in the place of the method's name.
            Form::Method { of_trait: false, .. } => {
                row(&mut text, &entry.path, None, &format!("{}; on a fiber, use {}", entry.reason, entry.replacement));
            }
            Form::Function(_) | Form::Method { .. } | Form::Wrapped { .. } => {}
        }
    }
    text.push_str("]\n\ndisallowed-types = [\n");
    for ty in TYPES {
        // No `replacement`: `clippy --fix` would put it in the place of a whole import, `use` and all.
        if let (Some(replacement), [methods, ..]) = (ty.replacing_type(), ty.methods) {
            row(&mut text, ty.path, None, &format!("{}; on a fiber, use `{replacement}`", methods.reason));
        }
    }
    text.push_str("]\n");
    text
}

/// A row of one of clippy's lists.
fn row(text: &mut String, path: &str, replacement: Option<&str>, reason: &str) {
    let replacement = replacement.map(|path| format!(", replacement = {path:?}")).unwrap_or_default();
    let _ = writeln!(text, "    {{ path = {path:?}{replacement}, reason = {reason:?} }},");
}

/// The page of the guide.
fn page() -> String {
    let mut text = String::from(
        "\
<!-- Written by `cargo run -p fiber-macros --bin fiber-clippy -- --markdown`; change macros/src/table/items.rs instead. -->

# Every item that is refused

What does not compile in functions under an attribute of fiber, what it waits for, and what takes its place. [What
blocks, and how we stop it](blocking.md) says how it is found and what to do where blocking is meant.

Not on the list, because it does not wait for others, or not for long: printing, the `try_` forms, `send` to a channel
without a bound, `Instant::now`, `Arc`, atomics, allocation; `File::seek`, `DirEntry::file_type`, `fchown`, `chroot`,
`env::current_exe`, which ask the kernel for what it has at hand; `thread::spawn`, whose thread is none of the workers.

## Functions

",
    );
    header(&mut text, ["function", "why", "instead"]);
    for entry in entries().iter().filter(|entry| entry.is_function()) {
        line(&mut text, [&format!("`{}`", entry.path), entry.reason, &entry.replacement]);
    }
    text.push_str(
        "
## Methods

They are found by the type of the receiver, through references, `Box`, `Rc`, `Arc` and everything else that derefs to it.
`into_iter` is what `for` calls.

",
    );
    header(&mut text, ["type", "methods", "why", "instead"]);
    for ty in TYPES {
        let mut rows: Vec<(Vec<&str>, &Entry)> = Vec::new();
        for entry in
            entries().iter().filter(|entry| matches!(entry.form, Form::Method { of, .. } if of.path == ty.path))
        {
            let same = |other: &Entry| (other.reason, &other.replacement) == (entry.reason, &entry.replacement);
            match rows.iter_mut().find(|(_, other)| same(other)) {
                Some((names, _)) => names.push(entry.name),
                None => rows.push((vec![entry.name], entry)),
            }
        }
        for (names, entry) in rows {
            line(&mut text, [&of_types(ty.path, ty.implementors), &code(&names), entry.reason, &entry.replacement]);
        }
    }
    text.push_str(
        "
## Wrappers

Types of std that block where what they wrap does. The remedy is to wrap the type of `fiber`.

",
    );
    header(&mut text, ["wrappers", "methods"]);
    let mut rows: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for wrapper in WRAPPERS {
        let passed = wrapper.passes.iter().copied().flatten();
        let added = wrapper.adds.iter().flat_map(|(names, _)| names.iter());
        let names = passed.chain(added).map(|text| method(text).0).collect();
        match rows.iter_mut().find(|(_, other)| *other == names) {
            Some((wrappers, _)) => wrappers.push(wrapper.path),
            None => rows.push((vec![wrapper.path], names)),
        }
    }
    for (wrappers, names) in rows {
        line(&mut text, [&code(&wrappers), &code(&names)]);
    }
    text
}

/// The types that a row is about: those that implement it, if it is a trait.
fn of_types(path: &str, implementors: &[&str]) -> String {
    if implementors.is_empty() {
        return code(&[path]);
    }
    let implementors: Vec<_> = implementors.iter().map(|name| name.replace("&'a ", "&")).collect();
    let implementors: Vec<_> = implementors.iter().map(String::as_str).collect();
    format!("{} of {}", code(&[path]), code(&implementors))
}

fn code(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn header<const COLUMNS: usize>(text: &mut String, titles: [&str; COLUMNS]) {
    line(text, titles);
    line(text, ["---"; COLUMNS]);
}

fn line<const COLUMNS: usize>(text: &mut String, cells: [&str; COLUMNS]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}
