//! Receiving by iteration: what std's channel has, for each receiver that has it.

/// Defines the iterators of the `Receiver` in `super`.
macro_rules! iterators {
    () => {
        use super::Receiver;

        /// The iterator of [`Receiver::iter`].
        #[derive(Debug)]
        pub struct Iter<'a, T> {
            pub(super) receiver: &'a Receiver<T>,
        }

        impl<T> Iterator for Iter<'_, T> {
            type Item = T;

            fn next(&mut self) -> Option<T> {
                self.receiver.recv().ok()
            }
        }

        /// The iterator of [`Receiver::try_iter`].
        #[derive(Debug)]
        pub struct TryIter<'a, T> {
            pub(super) receiver: &'a Receiver<T>,
        }

        impl<T> Iterator for TryIter<'_, T> {
            type Item = T;

            fn next(&mut self) -> Option<T> {
                self.receiver.try_recv().ok()
            }
        }

        /// The iterator of a receiver that is consumed.
        #[derive(Debug)]
        pub struct IntoIter<T> {
            receiver: Receiver<T>,
        }

        impl<T> Iterator for IntoIter<T> {
            type Item = T;

            fn next(&mut self) -> Option<T> {
                self.receiver.recv().ok()
            }
        }

        impl<'a, T> IntoIterator for &'a Receiver<T> {
            type Item = T;
            type IntoIter = Iter<'a, T>;

            fn into_iter(self) -> Iter<'a, T> {
                self.iter()
            }
        }

        impl<T> IntoIterator for Receiver<T> {
            type Item = T;
            type IntoIter = IntoIter<T>;

            fn into_iter(self) -> IntoIter<T> {
                IntoIter { receiver: self }
            }
        }
    };
}
pub(super) use iterators;
