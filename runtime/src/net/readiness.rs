//! Waiting for sockets to be ready, without a transfer.

/// The waits of a socket: one that takes something, `in`, or one that goes both ways, `both`.
macro_rules! readiness {
    (in $kind:ident, $what:literal) => {
        impl $kind {
            #[doc = concat!("Waits until ", $what, ", or an error to report. Takes nothing.")]
            ///
            /// As [`io::readable`](crate::io::readable).
            ///
            /// # Errors
            ///
            /// As [`io::readable`](crate::io::readable).
            pub fn readable(&self) -> std::io::Result<()> {
                crate::io::readable(self)
            }

            /// What [`readable`](Self::readable) waits for, as an event for [`select!`](crate::select!), where it is what `readable()` stands
            /// for. As [`io::readable_event`](crate::io::readable_event).
            pub fn readable_event(&self) -> impl crate::select::Event<Output = std::io::Result<()>> {
                crate::io::readable_event(self)
            }
        }
    };
    (both $kind:ident, $what:literal) => {
        $crate::net::readiness::readiness!(in $kind, $what);

        impl $kind {
            /// Waits until there is room for something to send, or an error to report.
            ///
            /// As [`io::writable`](crate::io::writable).
            ///
            /// # Errors
            ///
            /// As [`io::writable`](crate::io::writable).
            pub fn writable(&self) -> std::io::Result<()> {
                crate::io::writable(self)
            }

            /// What [`writable`](Self::writable) waits for, as an event for [`select!`](crate::select!), where it is what `writable()` stands
            /// for. As [`io::writable_event`](crate::io::writable_event).
            pub fn writable_event(&self) -> impl crate::select::Event<Output = std::io::Result<()>> {
                crate::io::writable_event(self)
            }
        }
    };
}
pub(super) use readiness;
