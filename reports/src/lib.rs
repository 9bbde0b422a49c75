//! Turns a data directory into lists and numbers; it only reads.
//!
//! [`export()`] writes the entries in one of four formats. [`Report`] says where the time of a crawl went and what
//! the bottleneck was. [`Status`] says how far the crawl is. [`render`] writes reports and statuses for people and
//! for programs.

pub mod escape;
pub mod export;
mod figures;
mod host_report;
mod read;
pub mod render;
mod report;
mod status;
mod timing;
mod units;

pub use export::{EntrySource, ExportError, ExportOptions, ExportSummary, Format, check_host, export, jsonl};
pub use figures::{Breakdown, Cpu, Entries, Group, PerStage, Sitemaps, StageTotal, State, Times};
pub use host_report::HostReport;
pub use read::{RecordSource, report, report_with_timeline, settings, status};
pub use report::{Crawl, Report, Totals};
pub use status::{HostStates, RESUME, Status, StatusTally, TaskStates};
pub use timing::{
    BUCKETS, Bound, CHART_ROWS_MAX, Evidence, HostReports, Sessions, Tally, TimeByBound, Timeline,
    TimelineTally, Verdict,
};

#[cfg(test)]
mod fixture;
