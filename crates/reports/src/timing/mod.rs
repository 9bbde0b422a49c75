//! Where the time of a crawl went: one pass over its fetch records.
//!
//! Memory grows with the hosts, never with the requests.

mod critical_line;
mod histogram;
mod host_table;
mod tally;
mod verdict;

pub use tally::Tally;
pub use verdict::{Bound, Evidence, Held, Verdict};
