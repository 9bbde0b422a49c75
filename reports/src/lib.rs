//! Turns a data directory into lists and numbers; it only reads.
//!
//! [`export()`] writes the entries in one of four formats. [`Report`] says where the time of a crawl went and what
//! the bottleneck was. [`Status`] says how far the crawl is. [`render`] writes reports and statuses for people and
//! for programs.
//!
//! ```
//! use frontier::Timestamp;
//! use reports::render::status_text;
//! use reports::{ExportOptions, Format};
//! use storage::CrawlReader;
//!
//! # use std::sync::Arc;
//! # use frontier::work_queue::{Commit, QueueBounds};
//! # use frontier::{Clock, Seed, WorkQueue};
//! # use sitemap::Entry;
//! # use storage::{DataDir, DocumentHead, EntryScope};
//! # const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
//! # struct StoppedClock;
//! # impl Clock for StoppedClock {
//! #     fn now(&self) -> Timestamp {
//! #         NOW
//! #     }
//! #
//! #     async fn sleep_until(&self, _: Timestamp) {}
//! # }
//! # async fn crawl(path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! #     let dir = DataDir::open(path, Arc::new(StoppedClock), QueueBounds { sitemaps_max: 50_000, hosts_per_site_max: u64::MAX })?;
//! #     let session = dir.queue().open_session("test").await?;
//! #     let seed = Seed::parse("https://a.example/sitemap.xml")?.ok_or("an empty line")?.task();
//! #     let (host, sitemap) = (seed.host.to_string(), seed.task.url.clone());
//! #     let head = DocumentHead { task: seed.task.id, attempt: 1, host, sitemap, fetched_at: NOW };
//! #     let mut rows = dir.rows(head);
//! #     rows.push(&Entry { loc: "https://a.example/1", ..Entry::default() }, EntryScope::SameHost)?;
//! #     let segment = dir.segments(session.id).append(vec![rows.finish()?])?;
//! #     let commit = Commit { seq: 1, found: vec![seed], segment, ..Commit::default() };
//! #     Ok(dir.queue().commit(&session, commit).await?)
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (folder, now) = (tempfile::tempdir()?, NOW);
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(crawl(folder.path()))?;
//! let reader = CrawlReader::open(folder.path())?;
//!
//! let options = ExportOptions { format: Format::Txt, host: None, since: None, unique: None };
//! let mut urls = Vec::new();
//! let summary = reports::export(&reader, &options, &mut urls)?;
//! assert_eq!(summary.written, 1);
//! assert_eq!(urls, b"https://a.example/1\n");
//!
//! let status = reports::status(&reader, now)?;
//! assert_eq!(status.tasks.pending, 1);
//! println!("{}", status_text(&status));
//!
//! let report = reports::report(&reader)?;
//! assert_eq!(report.totals.requests, 0);
//! println!("{}", report.verdict.sentence);
//! # Ok(())
//! # }
//! ```

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
pub use figures::{Breakdown, Cpu, Entries, Group, Hosts, PerStage, Sitemaps, StageTotal, State, Times};
pub use host_report::HostReport;
pub use read::{RecordSource, report, report_with_timeline, status};
pub use report::{Answers, Crawl, Report, Totals};
pub use status::{HostStates, RESUME, Status, TaskStates};
pub use timing::{
    BUCKETS, Bound, CHART_ROWS_MAX, Evidence, HostReports, Sessions, Tally, TimeByBound, Timeline,
    TimelineTally, Verdict,
};

#[cfg(test)]
mod fixture;
