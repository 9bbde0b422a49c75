//! Segments where many machines reach them: in a bucket of an object store, or in a folder on a shared mount.
//!
//! A worker gathers the entries of finished documents in a file of its own ([`SharedWriter`]). Every few seconds that file
//! becomes a Parquet file under its final name in the [`SegmentStore`], where nothing is ever renamed or overwritten; then
//! one commit of the queue registers it, and with it ends the registration of small ones whose rows it holds. A file that nobody registered does not exist, and is removed
//! ([`SegmentStore::remove_garbage`]) once no session is left that could.

mod bucket;
mod garbage;
mod marker;
mod mount;
mod reader;
mod small;
mod store;
mod writer;

pub use garbage::{GARBAGE_AGE_MIN, GarbageError, Registry};
pub use reader::SharedReader;
pub use store::{PlaceError, SegmentStore};
pub use writer::{REPLACED_KEPT_FOR, SharedWriter};
