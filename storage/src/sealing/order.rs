//! Messages to the sealing thread.

/// A message to the sealing thread.
pub(crate) enum Order {
    /// A segment is full.
    Full,
    /// No segment will grow any more.
    Finish,
}
