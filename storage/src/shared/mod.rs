//! Segments that many machines can read and write: in a bucket of an object store, or in a folder on a shared mount.
//!
//! A worker collects the entries of finished documents in a local file ([`SharedWriter`]). Every few seconds it
//! writes them to the [`SegmentStore`] as a Parquet file, which appears there only when it is complete, and which is
//! never changed. Then one commit of the queue registers the file, in place of the small ones whose rows it contains.
//! Readers ignore files that no commit registered. [`SegmentStore::remove_garbage`] removes them once their session
//! has ended.

mod bucket;
pub(crate) mod error;
mod garbage;
mod layout;
mod marker;
mod mount;
mod reader;
mod small;
mod store;
mod writer;

pub use error::PlaceError;
pub use garbage::{GARBAGE_AGE_MIN, GarbageError, Registry};
pub use reader::SharedReader;
pub use store::SegmentStore;
pub use writer::{REPLACED_KEPT_FOR, SharedWriter};
