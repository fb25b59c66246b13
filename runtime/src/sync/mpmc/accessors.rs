//! What both ends can be asked.

/// Methods of an end that has the channel in `channel`.
macro_rules! accessors {
    () => {
        /// Whether the channel holds no message. A rendezvous channel never holds one.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// Whether the channel holds as many messages as it can. A rendezvous channel always does.
        #[must_use]
        pub fn is_full(&self) -> bool {
            self.channel.is_full()
        }

        /// How many messages the channel holds.
        ///
        /// ```
        /// let (sender, receiver) = fiber::sync::mpmc::sync_channel(2);
        /// sender.send('a').unwrap();
        /// assert_eq!((sender.len(), receiver.capacity(), receiver.is_full()), (1, Some(2), false));
        /// ```
        #[must_use]
        pub fn len(&self) -> usize {
            self.channel.len()
        }

        /// How many messages the channel can hold; `None` if it is unbounded.
        #[must_use]
        pub fn capacity(&self) -> Option<usize> {
            self.channel.capacity()
        }

        /// Whether both belong to the same channel.
        #[must_use]
        pub fn same_channel(&self, other: &Self) -> bool {
            std::sync::Arc::ptr_eq(&self.channel, &other.channel)
        }
    };
}
pub(super) use accessors;
