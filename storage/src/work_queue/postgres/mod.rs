//! The work queue of many machines, on PostgreSQL.
//!
//! A [`Database`] holds crawls by name. A [`SharedCrawl`] provides the [`PostgresQueue`] of one crawl and the data that
//! readers need.
//!
//! Every change by a session is one transaction, which first locks the session's row. It changes nothing if the
//! session has ended or was opened on another timeline of the server. A commit then locks the hosts it touches in the
//! order of their ids, reads the records, computes the changes ([`frontier::work_queue::Changes`]) and writes them.
//! Each statement is a file in `sql/`.

mod address;
mod commit;
mod connection;
mod crawls;
mod database;
mod error;
mod lease;
mod queue;
mod read;
mod rows;
mod schema;
mod session;
mod shared_crawl;
#[cfg(test)]
mod tests;
mod tls;
mod work_queue;
mod workers;

pub use self::database::Database;
pub use self::error::StoreError;
pub use self::queue::{PostgresQueue, SESSION_TTL};
pub use self::read::FetchMark;
pub use self::shared_crawl::SharedCrawl;
