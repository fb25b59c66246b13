//! Whether this build can move started fibers, as a bound whose message says what to do if not.
#![deny(unsafe_code)]

/// What [`Builder::migratable`](crate::Builder::migratable) and `#[fiber::task(unsafe(migrate))]` ask of the build: the feature `migrate`.
///
/// Asked for where it is used, and not where it is declared, because the bounds say "for every lifetime".
#[diagnostic::on_unimplemented(
    message = "fibers that change their worker need the feature `migrate` of the crate `fiber`",
    label = "the feature `migrate` is off",
    note = "turn it on in Cargo.toml: `fiber = {{ version = \"..\", features = [\"migrate\"] }}`"
)]
pub trait Migration {}

#[cfg(feature = "migrate")]
impl<T: ?Sized> Migration for T {}
