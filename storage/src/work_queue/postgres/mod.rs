//! The work queue of many machines, on PostgreSQL.
//!
//! A [`Database`] holds crawls by name. A [`SharedCrawl`] provides the [`PostgresQueue`] of one crawl and the data that
//! readers need.
//!
//! Every change by a session is one transaction, which first locks the session's row. It changes nothing if the
//! session has ended or was opened on another timeline of the server. A commit then locks the hosts it touches in the
//! order of their ids, reads the records, computes the changes ([`frontier::work_queue::Changes`]) and writes them.
//! Each statement is a file in `sql/`. Its parameters have names, and rows are read by the names of their columns
//! (`tables/`).

mod address;
mod columns;
mod commit;
mod connection;
mod crawls;
mod database;
mod error;
mod fields;
mod lease;
mod queue;
mod read;
mod schema;
mod session;
mod shared_crawl;
mod sql;
mod tables;
#[cfg(test)]
mod tests;
mod tls;
mod values;
mod work_queue;
mod workers;

pub use self::database::Database;
pub use self::error::StoreError;
pub use self::queue::{PostgresQueue, SESSION_TTL};
pub use self::shared_crawl::SharedCrawl;
