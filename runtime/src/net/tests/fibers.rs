//! What only fibers do.
