//! Where the time of a crawl went: one pass over its fetch records.
//!
//! Memory grows with the hosts, never with the requests.

mod breakdown;
mod critical_line;
mod few;
mod histogram;
mod host_spans;
mod host_table;
mod hosts;
mod sessions;
mod tally;
mod timeline;
mod verdict;

pub use hosts::HostReports;
pub use sessions::Sessions;
pub use tally::Tally;
pub use timeline::{BUCKETS, LANES_MAX, Timeline, TimelineTally};
pub use verdict::{Bound, Evidence, TimeByBound, Verdict};
