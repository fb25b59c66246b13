//! Every item of the table of what blocks, in each of the forms in which it can be called: none compiles in a function that
//! is checked, and each gives one error, at the user's tokens.
//!
//! The cases are generated from the table itself, so that an item that is added to it is tested. [`compile`] makes crates of
//! them and compares what the compiler says; the other modules have the forms.

#[allow(dead_code, unused_imports, reason = "it is there for the attributes")]
#[path = "../../../macros/src/table/mod.rs"]
mod table;

mod compile;
mod functions;
mod methods;
mod places;
mod subject;
mod wrapped;

use compile::Crate;
use fiber_tests::sample::Sample;
use std::collections::BTreeSet;

/// What the cases use.
const PRELUDE: &str = include_str!("prelude.rs");

/// How the forms begin that are not found, with an entry or `*`: a call with a closure is judged by how it is written, because
/// the closure's arguments have types only where the function is called by its name.
const KNOWN: &[(&str, &str)] = &[
    ("by way of a module", "std::thread::scope"),
    ("extern crate", "std::thread::scope"),
    ("imported by glob", "std::thread::scope"),
    ("imported, a", "std::thread::scope"),
    ("owner by way of a module", "std::thread::scope"),
    ("owner renamed, a", "std::thread::scope"),
    ("renamed, a", "std::thread::scope"),
];

#[test]
fn functions() {
    Crate { name: "blocking_functions", edition: "2024", prelude: PRELUDE, cases: functions::cases() }
        .compare(KNOWN)
        .none();
}

#[test]
fn methods() {
    Crate { name: "blocking_methods", edition: "2024", prelude: PRELUDE, cases: methods::cases() }
        .compare(KNOWN)
        .none();
}

#[test]
fn places() {
    Crate { name: "blocking_places", edition: "2024", prelude: PRELUDE, cases: places::cases() }.compare(KNOWN).none();
}

#[test]
fn wrapped() {
    Crate { name: "blocking_wrapped", edition: "2024", prelude: PRELUDE, cases: wrapped::cases() }
        .compare(KNOWN)
        .none();
}

/// What the messages propose is there: a function, or the type that has it.
#[test]
fn replacements_exist() {
    let texts = table::entries().iter().flat_map(|entry| entry.replacement.split('`').skip(1).step_by(2));
    let items = texts.filter(|text| text.starts_with("fiber::")).map(|text| {
        let path: Vec<_> = text.split("::").take_while(|segment| !segment.contains('(')).collect();
        let ty = path.iter().position(|segment| segment.starts_with(char::is_uppercase));
        path[..ty.map_or(path.len(), |ty| ty + 1)].join("::")
    });
    let items: BTreeSet<_> = items.filter(|item| item != "fiber").collect();
    assert!(items.len() > 50, "{items:?}");
    let modules: String =
        items.iter().enumerate().map(|(number, item)| format!("pub mod m{number} {{ pub use {item}; }}\n")).collect();
    let sample = Sample::new(env!("CARGO_TARGET_TMPDIR"), "replacements");
    sample.write("src/lib.rs", &modules);
    let (compiles, messages) = sample.messages("check");
    let missing: Vec<_> = messages.iter().filter_map(|message| message["rendered"].as_str()).collect();
    assert!(compiles, "{}", missing.join("\n"));
}
