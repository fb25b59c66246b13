//! A crate made of cases, what the compiler has to say about it, and whether that is what was expected.
//!
//! A case is a module with one mistake, between `«` and `»`. All cases of a crate go through one `cargo check`; of each
//! error only the message and the primary span are looked at, so that nothing depends on std's sources being installed.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A module with one mistake.
pub(crate) struct Case {
    /// How the call is written.
    pub(crate) form: String,
    /// What blocks, as the message has it.
    pub(crate) entry: String,
    /// The module's content, the user's tokens that the error has to underline between `«` and `»`.
    pub(crate) code: String,
}

/// A generated crate.
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    pub(crate) edition: &'static str,
    /// What stands before the cases.
    pub(crate) prelude: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// What went otherwise than it should.
#[derive(Default)]
pub(crate) struct Surprises {
    by_form: BTreeMap<String, Vec<String>>,
    count: usize,
}

/// An error or a warning, in the places where it belongs to a line of the crate.
struct Finding {
    message: String,
    lines: (usize, usize),
    columns: (usize, usize),
    text: String,
}

/// Where a case stands in the file, and what is expected there.
struct Placed<'a> {
    case: &'a Case,
    first: usize,
    last: usize,
    line: usize,
    columns: (usize, usize),
}

impl Crate {
    /// Compiles the crate and compares. `known` are how the forms begin that are not right yet, with an entry or `*`: it is
    /// a surprise if one of them is.
    pub(crate) fn compare(&self, known: &[(&str, &str)]) -> Surprises {
        let (source, placed) = self.source();
        let findings = self.check(&source);
        let mut surprises = Surprises::default();
        let mut of_case: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
        for finding in findings {
            let case = placed.partition_point(|case| case.first <= finding.lines.0);
            match placed[..case].last() {
                Some(at) if finding.lines.0 <= at.last => of_case.entry(case - 1).or_default().push(finding),
                _ => surprises.add("outside of every case", finding.text),
            }
        }
        for (index, at) in placed.iter().enumerate() {
            let Case { form, entry, code } = at.case;
            let is_known = known.iter().any(|(prefix, of)| form.starts_with(prefix) && ["*", entry].contains(of));
            match at.differences(&of_case.remove(&index).unwrap_or_default()) {
                Some(wrong) if !is_known => surprises.add(form, format!("{entry}: {wrong}\n{}", indented(code))),
                None if is_known => surprises.add(form, format!("{entry}: right now, so take it off the list")),
                _ => {}
            }
        }
        surprises
    }

    fn source(&self) -> (String, Vec<Placed<'_>>) {
        let mut source = self.prelude.to_owned();
        let mut placed = Vec::new();
        let mut next = source.lines().count() + 1;
        for (number, case) in self.cases.iter().enumerate() {
            let first = next;
            let head = format!("// {}, {}\nmod case_{number} {{\n    use crate::prelude::*;\n", case.entry, case.form);
            source.push_str(&head);
            let mut expected = None;
            let offset = first + head.lines().count();
            for (line, text) in case.code.lines().enumerate() {
                let plain = text.replace(['«', '»'], "");
                if let Some((before, rest)) = text.split_once('«') {
                    let (marked, _) = rest.split_once('»').expect("the mark ends on its line");
                    // Four spaces before it, and the first column has the number 1.
                    let start = before.chars().count() + 5;
                    let columns = (start, start + marked.chars().count());
                    let earlier = expected.replace((offset + line, columns));
                    assert!(earlier.is_none(), "two marks in {}:\n{}", case.form, case.code);
                }
                writeln!(source, "    {plain}").expect("a string takes everything");
            }
            source.push_str("}\n");
            let (line, columns) = expected.unwrap_or_else(|| panic!("no mark in {}:\n{}", case.form, case.code));
            let last = offset + case.code.lines().count();
            placed.push(Placed { case, first, last, line, columns });
            next = last + 1;
        }
        (source, placed)
    }

    /// Runs `cargo check`, in the target directory of this build: what the crate needs has been built there already.
    fn check(&self, source: &str) -> Vec<Finding> {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member");
        let folder = temporary.join("blocking").join(self.name);
        write(folder.join("src/lib.rs"), source);
        write(folder.join("Cargo.toml"), &self.manifest(&workspace.join("runtime")));
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file is copied");
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "check",
                "--offline",
                "--quiet",
                "--profile",
                "test",
                "--lib",
                "--message-format",
                "json",
                "--target-dir",
            ])
            .arg(temporary.parent().expect("it is a folder of the target directory"))
            .current_dir(&folder)
            .output()
            .expect("cargo runs");
        let mut findings = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line).expect("cargo writes a message in each line");
            if message["reason"] == "compiler-message" {
                assert_eq!(message["target"]["name"], self.name, "a dependency has a message: {message}");
                findings.extend(Finding::read(&message["message"]));
            }
        }
        assert!(!findings.is_empty(), "cargo check found nothing: {}", String::from_utf8_lossy(&output.stderr));
        findings
    }

    fn manifest(&self, fiber: &Path) -> String {
        let Self { name, edition, .. } = self;
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"{edition}\"\npublish = false\n\n\
             [dependencies]\nfiber = {{ path = {fiber:?} }}\n\n[workspace]\n"
        )
    }
}

impl Placed<'_> {
    /// What is not as expected.
    fn differences(&self, findings: &[Finding]) -> Option<String> {
        let wanted = format!("`{}` blocks the worker thread that runs this fiber", self.case.entry);
        match findings {
            [] => Some("not found".to_owned()),
            [one] if one.message != wanted => Some(format!("another message\n{}", indented(&one.text))),
            [one] if one.lines != (self.line, self.line) || one.columns != self.columns => Some(format!(
                "another place: {:?} to {:?} instead of columns {:?}\n{}",
                one.lines,
                one.columns,
                self.columns,
                indented(&one.text)
            )),
            [_] => None,
            several => {
                let texts: Vec<_> = several.iter().map(|finding| indented(&finding.text)).collect();
                Some(format!("{} errors\n{}", several.len(), texts.join("\n")))
            }
        }
    }
}

impl Finding {
    /// `None` for the sum at the end.
    fn read(message: &Value) -> Option<Self> {
        let text = message["message"].as_str().unwrap_or_default();
        let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rendered = message["rendered"].as_str().unwrap_or_default().to_owned();
        if spans.is_empty() && (text.starts_with("aborting due to") || message["level"] == "failure-note") {
            return None;
        }
        let primary = spans.iter().find(|span| span["is_primary"] == true);
        let number = |name: &str| primary.and_then(|span| span[name].as_u64()).map_or(0, |number| number as usize);
        let code = message["code"]["code"].as_str().unwrap_or_default();
        Some(Self {
            message: if code == "E0277" { text.to_owned() } else { format!("{code}: {text}") },
            lines: (number("line_start"), number("line_end")),
            columns: (number("column_start"), number("column_end")),
            text: rendered,
        })
    }
}

impl Surprises {
    fn add(&mut self, form: &str, text: String) {
        self.count += 1;
        self.by_form.entry(form.to_owned()).or_default().push(text);
    }

    /// Fails if there are any, with some of each form.
    pub(crate) fn none(self) {
        const SHOWN: usize = 2;
        let mut report = String::new();
        for (form, texts) in &self.by_form {
            writeln!(report, "\n== {form}: {}", texts.len()).expect("a string takes everything");
            let entries: Vec<_> = texts.iter().filter_map(|text| text.split(": ").next()).collect();
            writeln!(report, "   {}", entries.join(" ")).expect("a string takes everything");
            texts.iter().take(SHOWN).for_each(|text| writeln!(report, "{text}").expect("a string takes everything"));
        }
        assert!(self.count == 0, "{} surprises\n{report}", self.count);
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Writes a file, if it has another content.
fn write(path: PathBuf, content: &str) {
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder is made");
    if fs::read_to_string(&path).is_ok_and(|old| old == content) {
        return;
    }
    fs::write(path, content).expect("the file is written");
}
