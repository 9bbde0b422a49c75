//! Entries on disk: all that knows Arrow.
//!
//! Entries of a document gather in [`Rows`]; once its outcome is final, [`SegmentWriter`] appends them to the
//! session's open segment, an Arrow IPC stream, and the queue's commit registers the new length. What has stopped
//! growing is sealed: rewritten as Parquet. Readers see registered bytes only.

pub(crate) mod batch_view;
mod columns;
mod extensions;
mod message;
pub(crate) mod name;
mod open;
mod parquet;
pub(crate) mod reader;
#[cfg(test)]
mod round_trip;
mod rows;
pub(crate) mod salvage;
mod schema;
pub(crate) mod sealed;

pub use batch_view::{BatchView, Row, WrongSchema};
#[cfg(feature = "shared")]
pub(crate) use message::schema_message;
pub(crate) use open::{BYTES_MAX, ROWS_MAX, cut};
pub use open::{EntryWriter, SegmentError, SegmentWriter};
pub use parquet::parquet_properties;
pub use reader::ReadError;
pub use rows::{DocumentHead, EntryScope, FinishedRows, Rows};
pub use schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY, schema};
