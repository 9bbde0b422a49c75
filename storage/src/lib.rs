//! Stores what must survive `kill -9`: the work queue and the entries.
//!
//! A crawl is stored in a data directory ([`DataDir`]). Its queue ([`LocalQueue`]) holds the tasks, hosts and
//! requests, and records which bytes of which segments are valid. The segments hold the entries. Entries are written
//! to disk first ([`Rows`], [`SegmentWriter`]). One commit of the queue then registers them together with the
//! outcomes of their tasks. [`CrawlReader`] reads everything back.
//!
//! With the feature `postgres`, many machines share one crawl: its queue is in a PostgreSQL database (`Database`).

mod children;
mod codec;
mod crawl_reader;
mod data_dir;
mod disk;
#[cfg(fuzzing)]
pub mod fuzzing;
mod live;
#[cfg(test)]
mod power_cut;
mod rebuild;
mod recovery;
mod sealing;
mod segment;
#[cfg(feature = "shared")]
mod shared;
mod watchdog;
mod work_queue;

pub use children::{Children, ChildrenReader, FinishedChildren};
pub use crawl_reader::{CrawlReader, EntryReader};
pub use data_dir::scratch::Scratch;
pub use data_dir::seeds::NewSeeds;
pub use data_dir::{DataDir, OpenError};
pub use live::{LiveReader, LiveServer};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use sealing::{SealError, Sealer};
pub use segment::{
    BatchView, DocumentBatches, DocumentHead, EntryScope, EntryWriter, FinishedRows, MemorySegments,
    MemoryWriter, ReadError, Row, Rows, SCHEMA_VERSION, SCHEMA_VERSION_KEY, SegmentError, SegmentPlace,
    SegmentRecord, SegmentWriter, WrongSchema, parquet_properties, schema,
};
#[cfg(feature = "shared")]
pub use shared::{
    GARBAGE_AGE_MIN, GarbageError, PlaceError, REPLACED_KEPT_FOR, Registry, SegmentStore, SharedReader,
    SharedWriter,
};
pub use watchdog::{is_database_panic, watch_for_stalls};
pub use work_queue::FetchMark;
pub use work_queue::local::{LocalQueue, LocalWorkQueue, QueueView};
#[cfg(feature = "postgres")]
pub use work_queue::postgres::{Database, PostgresQueue, SESSION_TTL, SharedCrawl, StoreError};
pub use work_queue::store::{Durability, KeyValue, MemoryStore, SledStore, Store, Writes};
