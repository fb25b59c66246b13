//! The errors that guide and README show are those that the compiler prints.
//!
//! Behind each snippet that must not compile (```` ```rust,compile_fail,E0277 ````) stands a `text` block with the errors. After
//! a change of wording, `FIBER_GUIDE=overwrite cargo test -p fiber-tests --test guide` writes the new ones: read them as a
//! user would.

use fiber_tests::sample::{Sample, WORKSPACE};
use std::fs;
use std::path::Path;

const SNIPPET: &str = "```rust,compile_fail,E0277\n";
const ERRORS: &str = "\n```text\n";
const END: &str = "```\n";

#[test]
fn errors_are_those_of_the_compiler() {
    let sample = Sample::new(env!("CARGO_TARGET_TMPDIR"), "sample-guide");
    let overwrite = std::env::var_os("FIBER_GUIDE").is_some_and(|value| value == "overwrite");
    for (page, snippets) in [("guide/src/blocking.md", 8), ("README.md", 1)] {
        let path = Path::new(WORKSPACE).join(page);
        let text = fs::read_to_string(&path).unwrap();
        let mut parts = text.split(SNIPPET);
        let mut right = parts.next().unwrap_or_default().to_owned();
        let mut found = 0;
        for part in parts {
            let (snippet, rest) = part.split_once(END).expect("the snippet ends");
            let (shown, rest) = rest.strip_prefix(ERRORS).and_then(|rest| rest.split_once(END)).expect("errors follow");
            let errors = errors(&sample, snippet);
            assert!(overwrite || shown == errors, "{page} shows\n\n{shown}\nand the compiler prints\n\n{errors}");
            right += &format!("{SNIPPET}{snippet}{END}{ERRORS}{errors}{END}{rest}");
            found += 1;
        }
        assert_eq!(found, snippets, "snippets that must not compile in {page}");
        if overwrite {
            fs::write(path, right).unwrap();
        }
    }
}

/// What the compiler prints about the snippet as a program.
fn errors(sample: &Sample, snippet: &str) -> String {
    let main = if snippet.contains("fn main()") { "" } else { "\nfn main() {}\n" };
    sample.write("src/main.rs", &format!("{snippet}{main}"));
    let (succeeded, messages) = sample.messages("check");
    assert!(!succeeded, "this compiles:\n{snippet}");
    let errors = messages.iter().filter(|message| message["code"]["code"] == "E0277");
    // Notes that point into fiber have paths of this machine.
    let own = |error: &str| error.split("\nnote: required by").next().unwrap_or_default().trim_end().to_owned();
    let printed: Vec<_> = errors.filter_map(|error| error["rendered"].as_str()).map(own).collect();
    format!("{}\n", printed.join("\n\n"))
}
