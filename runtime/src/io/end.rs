//! What all ends of pipes have in common.

/// The conversions of a type that wraps a [`File`](crate::fs::File), and the type of std's that it stands for.
macro_rules! end {
    ($kind:ident, $std:ty) => {
        impl $kind {
            /// An end of a pipe that was just made.
            pub(crate) fn fresh(end: std::os::fd::OwnedFd) -> $kind {
                $kind(crate::fs::File::of_pipe(end))
            }
        }

        impl std::os::fd::AsFd for $kind {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.0)
            }
        }

        impl std::os::fd::AsRawFd for $kind {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&self.0)
            }
        }

        impl std::os::fd::IntoRawFd for $kind {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                std::os::fd::IntoRawFd::into_raw_fd(self.0)
            }
        }

        impl From<std::os::fd::OwnedFd> for $kind {
            fn from(fd: std::os::fd::OwnedFd) -> $kind {
                $kind(crate::fs::File::adopted_pipe(fd))
            }
        }

        impl From<$kind> for std::os::fd::OwnedFd {
            fn from(ours: $kind) -> std::os::fd::OwnedFd {
                ours.0.into()
            }
        }

        /// The same open descriptor.
        impl From<$std> for $kind {
            fn from(theirs: $std) -> $kind {
                std::os::fd::OwnedFd::from(theirs).into()
            }
        }

        /// The same open descriptor.
        impl From<$kind> for $std {
            fn from(ours: $kind) -> $std {
                std::os::fd::OwnedFd::from(ours).into()
            }
        }

        /// For a child process, which gets this end: see [`process::Command`](crate::process::Command).
        impl From<$kind> for std::process::Stdio {
            fn from(ours: $kind) -> std::process::Stdio {
                std::os::fd::OwnedFd::from(ours).into()
            }
        }

        impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($kind)).finish_non_exhaustive()
            }
        }
    };
}

/// Taking over a descriptor's number.
macro_rules! from_raw {
    ($kind:ident) => {
        #[expect(unsafe_code, reason = "std's trait is unsafe")]
        impl std::os::fd::FromRawFd for $kind {
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $kind {
                // SAFETY: the caller vouches for the descriptor.
                unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }.into()
            }
        }
    };
}

/// Reading from an end of a pipe, or from a reference to it.
macro_rules! reads {
    ($(#[$doc:meta])* $kind:ty) => {
        $(#[$doc])*
        impl std::io::Read for $kind {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                (&self.0).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
                (&self.0).read_vectored(bufs)
            }
        }
    };
}

/// Writing to an end of a pipe, or to a reference to it.
macro_rules! writes {
    ($(#[$doc:meta])* $kind:ty) => {
        $(#[$doc])*
        impl std::io::Write for $kind {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                (&self.0).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                (&self.0).write_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(crate) use end;
pub(crate) use from_raw;
pub(crate) use reads;
pub(crate) use writes;
