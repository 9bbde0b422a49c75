//! The tables: for each, how its rows are read and written, by the names of its columns.
//!
//! `sql/tables.sql` describes the tables and their columns.

mod fetched;
mod host;
mod segment;
mod session;
mod site;
mod task;

pub(super) use self::fetched::{FetchedRow, add_fetches};
pub(super) use self::host::{HostRow, host_rows, leased_host, loaded_host, released_hosts, robots_rows};
pub(super) use self::segment::{SegmentRow, segment_record};
pub(super) use self::session::{
    CommittedSession, Fence, counts, session, session_id, session_record, session_times,
};
pub(super) use self::site::{site_counts, site_rows};
pub(super) use self::task::{TASK, given_up, task, task_id, task_rows, task_state};

/// The current time for a statement; `None` stands for the server's clock.
pub(crate) type Moment = Option<std::time::SystemTime>;

/// A table, and the columns of it that several statements read.
pub(crate) struct Table {
    /// Its name.
    pub name: &'static str,
    /// The names of these columns.
    pub columns: &'static [&'static str],
}

impl Table {
    /// The columns for a SELECT.
    pub fn select_list(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|column| format!("{}.{column}", self.name)).collect();
        columns.join(", ")
    }
}
