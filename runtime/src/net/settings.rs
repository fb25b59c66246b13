//! What can be set on a socket of any kind.

/// The settings of a type with `inner`, std's socket, and `mode`. `$make` is an example of making one, called `socket`.
macro_rules! settings {
    ($kind:ident: $std:ty, $make:literal) => {
        impl $kind {
            /// A socket that is as new: in blocking mode, without time limits.
            pub(super) fn fresh(inner: $std) -> $kind {
                $kind { inner, mode: std::sync::Arc::default() }
            }

            /// A socket of unknown past.
            pub(super) fn adopted(inner: $std) -> $kind {
                let mode = crate::net::mode::Mode::of(std::os::fd::AsFd::as_fd(&inner));
                $kind { inner, mode: std::sync::Arc::new(mode) }
            }

            /// Another handle of the same socket, with the same settings.
            ///
            /// # Errors
            ///
            /// What the system reports, such as too many open descriptors.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// let other = socket.try_clone()?;
            /// # drop(other);
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_clone(&self) -> std::io::Result<$kind> {
                Ok($kind { inner: self.inner.try_clone()?, mode: self.mode.clone() })
            }

            /// Limits the time that each receiving call waits; `None` lifts the limit. For every handle of the socket.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`](std::io::ErrorKind::InvalidInput) for a limit of zero. A call that ran into the limit fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock), as std's does on Linux.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// socket.set_read_timeout(Some(std::time::Duration::from_millis(10)))?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn set_read_timeout(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                self.inner.set_read_timeout(timeout)?;
                self.mode.read_timeout.set(timeout);
                Ok(())
            }

            /// Limits the time that each sending call waits; `None` lifts the limit. For every handle of the socket.
            ///
            /// # Errors
            ///
            /// As [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// socket.set_write_timeout(Some(std::time::Duration::from_millis(10)))?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn set_write_timeout(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                self.inner.set_write_timeout(timeout)?;
                self.mode.write_timeout.set(timeout);
                Ok(())
            }

            /// The limit set by [`set_read_timeout`](Self::set_read_timeout), in the system's resolution.
            ///
            /// # Errors
            ///
            /// What the system reports; none in practice.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// assert_eq!(socket.read_timeout()?, None);
            /// # Ok(())
            /// # }
            /// ```
            pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                self.inner.read_timeout()
            }

            /// The limit set by [`set_write_timeout`](Self::set_write_timeout), in the system's resolution.
            ///
            /// # Errors
            ///
            /// What the system reports; none in practice.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// assert_eq!(socket.write_timeout()?, None);
            /// # Ok(())
            /// # }
            /// ```
            pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                self.inner.write_timeout()
            }

            /// Sets the mode of the socket, for every handle of it: in non-blocking mode a call that would have to wait fails
            /// instead, with [`WouldBlock`](std::io::ErrorKind::WouldBlock). It is here for libraries that poll.
            ///
            /// # Errors
            ///
            /// What the system reports; none in practice.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// socket.set_nonblocking(true)?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
                self.inner.set_nonblocking(nonblocking)?;
                self.mode.nonblocking.store(nonblocking, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }

            /// Takes the error that the socket has pending (`SO_ERROR`), so that it is not reported again.
            ///
            /// # Errors
            ///
            /// What the system reports of the call itself; none in practice.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> {
            #[doc = $make]
            /// assert!(socket.take_error()?.is_none());
            /// # Ok(())
            /// # }
            /// ```
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.inner.take_error()
            }
        }
    };
}
pub(super) use settings;
