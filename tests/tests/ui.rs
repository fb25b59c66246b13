//! The attributes as a user meets them: programs that have to compile and run, and mistakes with the message each gets.
//!
//! One file under `ui/fail` for each mistake, named after it; the expected message stands beside it. After a change of
//! wording, `TRYBUILD=overwrite cargo test -p fiber-tests --test ui` writes the new ones: read them as a user would.

#[test]
fn good_programs_run() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
#[cfg(feature = "migrate")]
fn migration_is_vouched_for() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/migrate/pass/*.rs");
    cases.compile_fail("tests/ui/migrate/fail/*.rs");
}

// One of them is to do without a feature.
#[cfg(not(feature = "migrate"))]
#[test]
fn each_mistake_has_its_message() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
