//! The table `fetched`.

use frontier::work_queue::{Commit, Session};
use frontier::{FetchRecord, Stage};
use tokio_postgres::Row;

use crate::codec;
use crate::work_queue::FetchMark;
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::sql::Parameter;
use crate::work_queue::postgres::values::{number, number_key, signed, unsigned};

/// The requests of one commit.
pub(crate) struct FetchedRow {
    session: i32,
    commit_seq: i64,
    previous_commit_us: i64,
    records: Vec<u8>,
}

impl FetchedRow {
    pub(crate) fn of(commit: &Commit, session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            session: number_key(session.number),
            commit_seq: signed(commit.seq),
            previous_commit_us: signed(commit.previous_commit_us),
            records: codec::encode(&commit.fetches)?,
        })
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32) -> [Parameter<'a>; 5] {
        [
            ("crawl", crawl),
            ("session", &self.session),
            ("commit_seq", &self.commit_seq),
            ("previous_commit_us", &self.previous_commit_us),
            ("records", &self.records),
        ]
    }
}

/// Adds the requests of a commit to `fetches`. Returns the mark after the commit.
///
/// `commit_us`, how long the commit took, is stored with the next commit of the session and NULL before it.
pub(crate) fn add_fetches(row: &Row, fetches: &mut Vec<FetchRecord>) -> Result<FetchMark, Failure> {
    let mut fetched = Fields::of("fetched", row);
    let session = number(fetched.get("session")?);
    let mark = FetchMark { session, commit_seq: unsigned(fetched.get("commit_seq")?) };
    let records: Vec<FetchRecord> = fetched.decoded("records")?;
    let commit_us = fetched.get::<Option<i64>>("commit_us")?.map_or(0, unsigned);
    for mut fetch in records {
        let record = &mut fetch.stages[Stage::Record];
        *record = record.saturating_add(commit_us);
        fetches.push(fetch);
    }
    Ok(mark)
}
