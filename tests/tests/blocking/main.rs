//! Every item of the table of what blocks, in each of the forms in which it can be called: none compiles in a function that
//! is checked, and each gives one error, at the user's tokens.
//!
//! The cases are generated from the table itself, so that an item that is added to it is tested. [`compile`] makes crates of
//! them and compares what the compiler says; the other modules have the forms.

#[allow(dead_code, reason = "it is there for the attributes")]
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

/// How the forms begin that are not right yet, with an entry or `*`.
const KNOWN: &[(&str, &str)] = &[
    // Not found.
    ("type in brackets", "*"),
    ("in an array literal", "*"),
    ("in a tuple literal", "*"),
    ("in a struct literal", "*"),
    ("as a value", "*"),
    ("copy from a value", "*"),
    ("read_to_string of a value", "*"),
    // At the attribute instead of at the name.
    ("for, in parentheses", "*"),
    ("for, over a block", "*"),
    ("path of", "std::net::UdpSocket::connect"),
    ("path of", "std::os::unix::net::UnixDatagram::connect"),
    ("path of", "std::os::unix::net::UnixDatagram::connect_addr"),
    ("path of", "std::fs::OpenOptions::open"),
    ("path of", "std::fs::DirBuilder::create"),
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
