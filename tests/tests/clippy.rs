//! What `fiber-clippy` of fiber-macros prints: clippy takes the configuration and reports with it what it should, and the
//! guide's page is the committed one.

use fiber_tests::sample::{Sample, WORKSPACE, cargo};
use fiber_tests::skip;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

const SAMPLE: &str = include_str!("clippy/sample.rs");

/// A lint that was reported at a line of a file.
type Report = (String, usize, String);

fn fiber_clippy(arguments: &[&str]) -> Output {
    let run = ["run", "--quiet", "--offline", "-p", "fiber-macros", "--bin", "fiber-clippy", "--"];
    cargo(Path::new(WORKSPACE), &[&run, arguments].concat())
}

fn printed(arguments: &[&str]) -> String {
    let output = fiber_clippy(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn the_page_of_the_guide_is_what_the_table_says() {
    let committed = fs::read_to_string(Path::new(WORKSPACE).join("guide/src/blocking-table.md")).unwrap();
    let command = "cargo run -p fiber-macros --bin fiber-clippy -- --markdown > guide/src/blocking-table.md";
    assert!(committed == printed(&["--markdown"]), "the table has changed; write the page again:\n    {command}");
}

#[test]
fn arguments() {
    assert!(printed(&["--help"]).contains("Usage: fiber-clippy [--markdown]"));
    let output = fiber_clippy(&["--markdwon"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("unexpected arguments: --markdwon"), "{output:?}");
}

#[test]
fn clippy_reports_what_blocks() {
    if !cargo(Path::new(WORKSPACE), &["clippy", "--version"]).status.success() {
        skip::skip("clippy is not installed");
        return;
    }
    let configuration = printed(&[]);
    let types = paths(&configuration, "disallowed-types");
    assert!(types.len() > 30 && paths(&configuration, "disallowed-methods").len() > 80, "{configuration}");

    // Each type in a line of its own.
    let mut all_types = String::new();
    for (number, path) in types.iter().enumerate() {
        let _ = writeln!(all_types, "pub use {path} as Type{number}; //~ disallowed_types");
    }
    // A path that is none, to see that clippy looks.
    let wrong = "std::thread::there_is_no_such_function";
    let configuration =
        configuration.replace("disallowed-methods = [", &format!("disallowed-methods = [\n    \"{wrong}\","));

    let sample = Sample::new(env!("CARGO_TARGET_TMPDIR"), "sample-clippy");
    sample.write("clippy.toml", &configuration);
    sample.write("src/lib.rs", &format!("{SAMPLE}\npub mod types;\n"));
    sample.write("src/types.rs", &all_types);
    let (succeeded, messages) = sample.messages("clippy");
    let (about_configuration, reports) = sorted(&messages);
    assert!(succeeded, "{reports:#?}");
    assert!(matches!(&*about_configuration, [message] if message.contains(wrong)), "{about_configuration:#?}");
    let expected: BTreeSet<_> = expected("src/lib.rs", SAMPLE).chain(expected("src/types.rs", &all_types)).collect();
    let missing: Vec<_> = expected.difference(&reports).collect();
    let surplus: Vec<_> = reports.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "not reported: {missing:#?}\nreported: {surplus:#?}");
}

/// The paths in one of the lists.
fn paths(configuration: &str, list: &str) -> Vec<String> {
    let lines = configuration.lines().skip_while(|line| !line.starts_with(list)).skip(1);
    let path = |line: &str| Some(line.split_once("path = \"")?.1.split_once('"')?.0.to_owned());
    lines.map_while(path).collect()
}

/// What the marks in the text of a file say.
fn expected(file: &str, text: &str) -> impl Iterator<Item = Report> {
    let lines = text.lines().zip(1..).filter_map(|(line, number)| Some((line.split_once("//~ ")?.1, number)));
    let lints = lines.flat_map(|(lints, number)| lints.split(' ').map(move |lint| (number, lint)));
    lints.map(move |(number, lint)| (file.to_owned(), number, format!("clippy::{lint}")))
}

/// What clippy says about its configuration, and the reports about code.
fn sorted(messages: &[Value]) -> (Vec<String>, BTreeSet<Report>) {
    let (mut about_configuration, mut reports) = (Vec::new(), BTreeSet::new());
    for message in messages {
        let spans = message["spans"].as_array().into_iter().flatten();
        for span in spans.filter(|span| span["is_primary"] == true) {
            let file = span["file_name"].as_str().unwrap_or_default();
            if file.ends_with("clippy.toml") {
                about_configuration.push(message["rendered"].to_string());
            } else {
                let line = span["line_start"].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or_default();
                let lint = message["code"]["code"].as_str().unwrap_or("no lint").to_owned();
                reports.insert((file.to_owned(), line, lint));
            }
        }
    }
    (about_configuration, reports)
}

/// The probes leave the code as clippy knows it: this lint finds lost bytes, and is denied by default.
#[test]
fn clippy_sees_what_the_user_wrote() {
    if !cargo(Path::new(WORKSPACE), &["clippy", "--version"]).status.success() {
        skip::skip("clippy is not installed");
        return;
    }
    let sample = Sample::new(env!("CARGO_TARGET_TMPDIR"), "sample-lints");
    sample.write("src/lib.rs", include_str!("clippy/lost.rs"));
    let (_, messages) = sample.messages("clippy");
    let lines = messages.iter().filter(|message| message["code"]["code"] == "clippy::unused_io_amount");
    let lines: Vec<_> = lines.filter_map(|message| message["spans"][0]["line_start"].as_u64()).collect();
    let source = include_str!("clippy/lost.rs").lines().enumerate();
    let expected: Vec<_> =
        source.filter(|(_, line)| line.ends_with("//~ lost")).map(|(number, _)| number as u64 + 1).collect();
    assert_eq!(lines, expected, "{messages:#?}");
}
