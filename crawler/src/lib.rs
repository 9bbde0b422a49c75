//! A crawler for sitemaps: it obeys robots.txt, can be resumed, and reports where the time went.
//!
//! [`Crawl::builder`] sets up a crawl. A running [`Crawl`] is a stream of [`Event`]s: documents with their entries,
//! failures, and hosts that are done. [`Results`] reads what a crawl found, while it runs or afterwards.
//!
//! The library prints nothing, handles no signals, sets no logger and no panic hook, and never ends the process. Log
//! events go to `tracing`. The program `crawl` is a caller of this library and uses nothing that others cannot.

mod builder;
mod clock;
mod cpu_meter;
mod crawl;
mod descriptors;
mod engine;
mod entry;
pub mod error;
mod event;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod local;
mod options;
mod remembered;
mod results;
mod seeds;
mod settings;
#[cfg(feature = "shared")]
mod shared;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "only tests run simulations yet"))]
mod simulation;
mod summary;

pub use builder::CrawlBuilder;
#[cfg(feature = "shared")]
pub use builder::SharedPlace;
pub use crawl::{Crawl, Stopper};
pub use descriptors::descriptors_wanted;
pub use engine::Ended;
pub use engine::progress::ProgressState;
pub use entry::Entry;
pub use error::Error;
pub use event::{Document, Event, Failure, HostAccount};
pub use fetch::ConnectTo;
pub use fetch::connect_to::ConnectToError;
pub use options::{CONCURRENCY_MAX, HOST_CONCURRENCY_MAX, OptionError, TIMEOUT_MAX, defaults};
pub use results::{Rendered, Results, SitemapRecord, View, rebuild};
pub use summary::Summary;

pub use frontier::scope::Probe;
pub use frontier::{DocumentKind, ErrorKind};
pub use reports::{ExportError, ExportOptions, ExportSummary, Format, Report, State, Status, Verdict};
pub use storage::Rebuilt;
