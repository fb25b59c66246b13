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
