//! The expansion breaks no lint of a strict crate, and has no unsafe code of its own.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations, unused, future_incompatible)]
#![deny(nonstandard_style, let_underscore, keyword_idents, unused_qualifications, unused_lifetimes)]
#![deny(single_use_lifetimes, unused_results, variant_size_differences, trivial_casts, unit_bindings)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, redundant_lifetimes, missing_copy_implementations)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::cargo)]
#![deny(clippy::undocumented_unsafe_blocks, clippy::missing_docs_in_private_items, clippy::exhaustive_enums)]
#![deny(clippy::absolute_paths, clippy::min_ident_chars, clippy::missing_inline_in_public_items)]
#![deny(clippy::arbitrary_source_item_ordering, clippy::impl_trait_in_params, clippy::single_call_fn)]
#![allow(clippy::missing_panics_doc, clippy::missing_inline_in_public_items, clippy::single_call_fn)]
#![allow(clippy::arbitrary_source_item_ordering, clippy::impl_trait_in_params, clippy::cargo)]
// Of the functions themselves.
#![allow(clippy::missing_const_for_fn, clippy::redundant_pub_crate)]

use std::error::Error;

/// Documented.
pub mod api {
    use std::fs;

    /// Has seven arguments, the most that clippy likes.
    #[fiber::task(stack_size = "64k", priority = "low", name = "busy", allow(std::fs::read))]
    #[must_use]
    pub fn busy(first: u8, second: u8, third: u8, fourth: u8, fifth: u8, sixth: &str, seventh: impl Into<u8>) -> u8 {
        first + second + third + fourth + fifth + seventh.into() + u8::from(fs::read(sixth).is_err())
    }

    /// Documented.
    #[derive(Clone, Debug)]
    pub struct Server {
        /// Documented.
        pub name: String,
    }

    impl Server {
        /// Documented.
        #[fiber::task]
        #[must_use]
        pub fn serve(self, times: usize) -> String {
            self.name.repeat(times)
        }

        /// Documented.
        #[fiber::task]
        #[must_use]
        pub fn peek(&self, pattern: &str) -> Option<usize> {
            self.name.find(pattern)
        }

        /// Documented.
        #[fiber::task]
        pub(crate) fn internal(self) {
            drop(self);
        }
    }

    /// Documented.
    #[fiber::task]
    #[deprecated = "old"]
    pub fn old() {}

    /// Documented.
    #[fiber::task]
    #[doc(hidden)]
    pub fn hidden() {}
}

/// Private.
mod private {
    /// Documented.
    #[fiber::task]
    pub(crate) fn quiet() {}

    /// Documented.
    #[fiber::task(companion = false)]
    pub(crate) fn without() {}
}

/// Private.
#[fiber::task]
#[allow(dead_code)]
fn nobody_calls_this() {}

/// Documented.
#[fiber::task]
#[cfg(any())]
fn configured_out(_: NoSuchType) {}

/// Documented.
#[fiber::main]
fn main() -> Result<(), Box<dyn Error>> {
    let busy = api::busy::spawn(1, 1, 1, 1, 1, "", 1_u8);
    assert_eq!(busy.join().map_err(|_| "busy")?, 7);
    let server = api::Server { name: "ab".into() };
    assert_eq!(fiber::scope(|scope| server.spawn_peek_scoped(scope, "b").join().ok()), Some(Some(1)));
    server.clone().spawn_internal().join().map_err(|_| "internal")?;
    assert_eq!(server.spawn_serve(2).join().map_err(|_| "serve")?, "abab");
    private::quiet::spawn().join().map_err(|_| "quiet")?;
    private::without();
    api::hidden::spawn().join().map_err(|_| "hidden")?;
    Ok(())
}
