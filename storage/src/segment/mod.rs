//! The entries on disk. All code that uses Arrow and Parquet is here.
//!
//! [`Rows`] collects the entries of a document. Once its outcome is final, [`SegmentWriter`] appends them to the open
//! segment of the session, an Arrow IPC stream, and a commit of the queue registers the new length. A segment that no
//! longer grows is sealed, which means rewritten as Parquet. Readers see registered bytes only.

pub(crate) mod batch_view;
mod columns;
mod document;
pub(crate) mod error;
mod extensions;
mod memory;
mod message;
pub(crate) mod name;
pub(crate) mod open;
mod parquet;
pub(crate) mod reader;
pub(crate) mod record;
#[cfg(test)]
mod round_trip;
mod rows;
pub(crate) mod salvage;
mod schema;
pub(crate) mod sealed;

pub use batch_view::{BatchView, Row, WrongSchema};
pub use document::{DocumentHead, EntryScope};
pub use error::{ReadError, SegmentError};
pub use memory::{MemorySegments, MemoryWriter};
#[cfg(feature = "shared")]
pub(crate) use message::schema_message;
pub(crate) use open::{BYTES_MAX, ROWS_MAX};
pub use open::{EntryWriter, SegmentWriter};
pub use parquet::parquet_properties;
pub use record::{SegmentPlace, SegmentRecord};
pub use rows::{DocumentBatches, FinishedRows, Rows};
pub use schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY, schema};
