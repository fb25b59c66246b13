//! To and from descriptors and std's types.
//!
//! What a descriptor brings with it (its mode, its time limits) is kept, as std keeps it, because the kernel has it.

/// The conversions of a type with `inner`, of the type `$std` of std's, and a constructor `adopted` that takes one. What has to be done
/// when a descriptor leaves the type is done by `$leave`.
macro_rules! descriptor {
    ($kind:ident, $std:ty, $example:literal) => {
        $crate::sys::descriptor::descriptor!($kind, $std, $example, |_: &mut $kind| ());
    };
    ($kind:ident, $std:ty, $example:literal, $leave:expr) => {
        impl std::os::fd::AsFd for $kind {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.inner)
            }
        }

        impl std::os::fd::AsRawFd for $kind {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&self.inner)
            }
        }

        impl std::os::fd::FromRawFd for $kind {
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> Self {
                // SAFETY: the caller vouches for the descriptor.
                Self::from(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) })
            }
        }

        impl std::os::fd::IntoRawFd for $kind {
            fn into_raw_fd(mut self) -> std::os::fd::RawFd {
                $leave(&mut self);
                std::os::fd::IntoRawFd::into_raw_fd(self.inner)
            }
        }

        impl From<std::os::fd::OwnedFd> for $kind {
            fn from(fd: std::os::fd::OwnedFd) -> Self {
                Self::adopted(fd.into())
            }
        }

        impl From<$kind> for std::os::fd::OwnedFd {
            fn from(mut ours: $kind) -> std::os::fd::OwnedFd {
                $leave(&mut ours);
                ours.inner.into()
            }
        }

        /// The same open descriptor, with its settings.
        ///
        /// ```
        /// # fn main() -> std::io::Result<()> {
        #[doc = $example]
        /// # drop(ours);
        /// # Ok(())
        /// # }
        /// ```
        impl From<$std> for $kind {
            fn from(theirs: $std) -> $kind {
                $kind::adopted(theirs)
            }
        }

        /// The same open descriptor, with its settings.
        impl From<$kind> for $std {
            fn from(mut ours: $kind) -> $std {
                $leave(&mut ours);
                ours.inner
            }
        }

        impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}
pub(crate) use descriptor;
