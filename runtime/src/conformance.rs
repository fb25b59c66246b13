//! The same bodies over std on a thread, and over this crate on a fiber and on a thread: they must agree.

use crate::runtime::Runtime;
use std::io;

/// Runs `f` as a fiber.
pub(crate) fn on_fiber<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    Runtime::new().unwrap().run(f)
}

/// An error as a value that can be compared.
pub(crate) type Failure = (io::ErrorKind, Option<i32>);

pub(crate) fn outcome<T>(result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| (error.kind(), error.raw_os_error()))
}

/// The same with the error's text, for errors that the library makes up itself.
pub(crate) fn said<T>(result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// Writes to a pipe that nobody reads until that is seen: a process that a test beside this one just forked has the other end too, until it
/// runs its program.
pub(crate) fn until_broken(pipe: &mut impl io::Write) -> Result<usize, Failure> {
    loop {
        let written = pipe.write(&[0; 100]);
        if written.is_err() {
            return outcome(written);
        }
    }
}

/// Defines tests that do the same with std and with this crate, and compare what came out.
macro_rules! conformance {
    (@ $std:path, $ours:path; $($(#[$doc:meta])* fn $name:ident($net:ident) -> $result:ty $body:block)*) => {$(
        conformance!{@@ $std, $ours; $(#[$doc])* fn $name($net) -> $result $body}
    )*};
    (@@ $std:path, $ours:path; $(#[$doc:meta])* fn $name:ident($net:ident) -> $result:ty $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn reference() -> $result {
                #[allow(unused_imports)]
                use $std as $net;
                $body
            }

            fn ours() -> $result {
                #[allow(unused_imports)]
                use $ours as $net;
                $body
            }

            #[test]
            fn agrees_with_std() {
                let expected = reference();
                assert_eq!(on_fiber(ours), expected, "on a fiber");
                assert_eq!(ours(), expected, "on a thread");
            }
        }
    };
    (net: $($rest:tt)*) => { conformance!{@ std::net, crate::net; $($rest)*} };
    (local: $($rest:tt)*) => { conformance!{@ std::os::unix::net, crate::os::unix::net; $($rest)*} };
    (fs: $($rest:tt)*) => { conformance!{@ std::fs, crate::fs; $($rest)*} };
    (io: $($rest:tt)*) => { conformance!{@ std::io, crate::io; $($rest)*} };
    (process: $($rest:tt)*) => { conformance!{@ std::process, crate::process; $($rest)*} };
}
pub(crate) use conformance;

/// A pattern in which a lost, doubled or swapped byte shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
