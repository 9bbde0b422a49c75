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

pub use export::{EntrySource, ExportError, ExportOptions, ExportSummary, Format, check_host, export, jsonl};
pub use read::{RecordSource, report, report_with_timeline, settings, status};
pub use report::{
    Breakdown, Cpu, Crawl, Entries, Group, HostReport, PerStage, Report, Sitemaps, StageTotal, State, Times,
    Totals,
};
pub use status::{HostStates, RESUME, Status, StatusTally, TaskStates};
pub use timing::{
    BUCKETS, Bound, Evidence, HostReports, LANES_MAX, Sessions, Tally, TimeByBound, Timeline, TimelineTally,
    Verdict,
};

#[cfg(test)]
mod made_up;
