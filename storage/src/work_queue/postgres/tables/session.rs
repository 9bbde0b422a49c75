//! The table `session`.

use std::time::Duration;

use frontier::work_queue::{Commit, Counts, QueueError, Session, SessionRecord, TotalsChange, Usage};
use frontier::{SessionId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Moment;
use crate::codec;
use crate::work_queue::postgres::error::Failure;
use crate::work_queue::postgres::fields::Fields;
use crate::work_queue::postgres::sql::Parameter;
use crate::work_queue::postgres::values::{session_key, signed};

/// The number of the session's last commit and the current time, read from the session's row.
pub(crate) struct Fence {
    pub commit_seq: u64,
    pub now: Timestamp,
}

impl Fence {
    /// Reads the result of `session_fence.sql` or `session_lock.sql`. Without a row, the session has ended or was
    /// opened before another server was promoted.
    pub(crate) fn read(rows: &[Row], session: &Session) -> Result<Self, Failure> {
        let Some(row) = rows.first() else { return Err(QueueError::Fenced(session.id).into()) };
        let mut fence = Fields::of("session", row);
        Ok(Self { commit_seq: fence.count("commit_seq")?, now: fence.time("now")? })
    }
}

/// Reads the id of a session.
pub(crate) fn session_id(row: &Row) -> Result<SessionId, Failure> {
    id(&mut Fields::of("session", row))
}

fn id(session: &mut Fields<'_>) -> Result<SessionId, Failure> {
    Ok(SessionId(session.get::<Uuid>("id")?.as_u128()))
}

/// Reads the session with this id.
pub(crate) fn session(row: &Row, id: SessionId) -> Result<Session, Failure> {
    with_id(&mut Fields::of("session", row), id)
}

fn with_id(session: &mut Fields<'_>, id: SessionId) -> Result<Session, Failure> {
    Ok(Session { id, number: session.number("number")?, started_at: session.time("started_at")? })
}

/// Reads a session with its last commit.
pub(crate) fn session_record(row: &Row) -> Result<SessionRecord, Failure> {
    let mut session = Fields::of("session", row);
    Ok(SessionRecord {
        session: Session {
            number: session.number("number")?,
            id: id(&mut session)?,
            started_at: session.time("started_at")?,
        },
        last_commit_at: session.time("last_commit_at")?,
        commit_seq: session.count("commit_seq")?,
        usage: session.decoded("usage")?,
    })
}

/// Reads the result of `session_times.sql`, for `HostRecord::keep_shared_time`, which needs only these fields.
pub(crate) fn session_times(rows: &[Row]) -> Result<Vec<SessionRecord>, Failure> {
    let times = |row: &Row| {
        let mut session = Fields::of("session", row);
        Ok(SessionRecord {
            session: with_id(&mut session, SessionId(0))?,
            last_commit_at: session.time("last_commit_at")?,
            commit_seq: 0,
            usage: Usage::default(),
        })
    };
    rows.iter().map(times).collect()
}

/// Reads the totals of a crawl.
pub(crate) fn counts(rows: &[Row]) -> Result<Counts, Failure> {
    let row = rows.first().ok_or_else(|| Failure::damaged("session", "total"))?;
    let mut totals = Fields::of("session", row);
    Ok(Counts {
        hosts: totals.count("hosts")?,
        hosts_done: totals.count("hosts_done")?,
        tasks: totals.count("tasks")?,
        tasks_pending: totals.count("tasks_pending")?,
        entries: totals.count("entries")?,
        requests: totals.count("requests")?,
        hosts_parked: totals.count("hosts_parked")?,
        hosts_leased: totals.count("hosts_leased")?,
        next_due_at: totals.time_if_any("next_due_at")?,
    })
}

/// What a commit changes in the row of its session.
pub(crate) struct CommittedSession {
    id: Uuid,
    commit_seq: i64,
    ttl_s: f64,
    usage: Vec<u8>,
    totals: TotalsChange,
    requests: i64,
}

impl CommittedSession {
    /// `ttl` is how long the session lives after the commit.
    pub(crate) fn of(
        commit: &Commit,
        session: &Session,
        totals: TotalsChange,
        ttl: Duration,
    ) -> Result<Self, Failure> {
        Ok(Self {
            id: session_key(session.id),
            commit_seq: signed(commit.seq),
            ttl_s: ttl.as_secs_f64(),
            usage: codec::encode(&commit.usage)?,
            totals,
            requests: signed(commit.fetches.len() as u64),
        })
    }

    pub(crate) fn parameters<'a>(&'a self, crawl: &'a i32, now: &'a Moment) -> [Parameter<'a>; 12] {
        [
            ("crawl", crawl),
            ("id", &self.id),
            ("commit_seq", &self.commit_seq),
            ("now", now),
            ("ttl_s", &self.ttl_s),
            ("usage", &self.usage),
            ("hosts", &self.totals.hosts),
            ("hosts_done", &self.totals.hosts_done),
            ("tasks", &self.totals.tasks),
            ("tasks_pending", &self.totals.tasks_pending),
            ("entries", &self.totals.entries),
            ("requests", &self.requests),
        ]
    }
}
