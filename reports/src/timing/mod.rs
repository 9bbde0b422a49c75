//! Where the time of a crawl went, from one pass over its fetch records.
//!
//! Memory grows with the number of hosts, not with the number of requests.

mod breakdown;
mod critical_line;
mod critical_line_tally;
mod histogram;
mod host_spans;
mod host_table;
pub(crate) mod hosts;
mod network;
mod requests;
pub(crate) mod sessions;
mod small_counter;
pub(crate) mod tally;
pub(crate) mod timeline;
pub(crate) mod verdict;

pub use hosts::HostReports;
pub use sessions::Sessions;
pub use tally::Tally;
pub use timeline::{BUCKETS, CHART_ROWS_MAX, Timeline, TimelineTally};
pub use verdict::Verdict;
pub use verdict::evidence::Evidence;
pub use verdict::time_by_bound::{Bound, TimeByBound};
