//! Turns a data directory into lists and numbers; it only reads.
//!
//! [`export()`] writes the entries in one of four formats, [`Report`] says where the time of a crawl went and what held
//! it, [`Status`] says how far it is. [`render`] writes the latter two for people and for programs.

pub mod escape;
pub mod export;
mod read;
pub mod render;
mod report;
mod status;
mod timing;
mod units;

pub use export::{ExportError, ExportOptions, ExportSummary, Format, export, jsonl};
pub use read::{report, status};
pub use report::{
    Cpu, Crawl, Entries, HostReport, PerStage, Report, Sitemaps, StageSpans, StageTotal, State, Totals,
};
pub use status::{HostStates, Status, StatusTally, TaskStates};
pub use timing::{Bound, Evidence, Held, Tally, Verdict};

#[cfg(test)]
mod made_up;
