//! Commits: one round trip locks and reads, another writes.

use std::collections::BTreeSet;
use std::time::SystemTime;

use frontier::work_queue::{
    Changes, Commit, GivenUp, HostRecord, Known, QueueError, SegmentRef, Session, TaskState, TotalsChange,
    Touched,
};
use frontier::{HostId, Task, TaskId};
use tokio_postgres::Statement;
use uuid::Uuid;

use super::connection::{Connection, Fence};
use super::error::Failure;
use super::lease::due_at;
use super::queue::{PostgresQueue, SESSION_TTL};
use super::read;
use super::rows::{self, HostRow, state};
use crate::codec;
use crate::segment::name::SegmentName;

impl PostgresQueue {
    /// Like [`frontier::WorkQueue::commit`], for callers that may have to send the commit again.
    pub async fn commit_ref(&self, session: &Session, commit: &Commit) -> Result<(), QueueError> {
        self.database.retry_until_timeout(|_| self.try_commit(session, commit)).await
    }

    /// Tries the commit once. It is applied only once even if it is tried several times: the session's row, which is
    /// locked first, shows whether an earlier try succeeded.
    pub(super) async fn try_commit(&self, session: &Session, commit: &Commit) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        let statements = Statements::prepare(&connection).await?;
        connection.enter_transaction();
        let (changes, leased) = match self.lock_and_compute(&connection, &statements, session, commit).await {
            Ok(Some(computed)) => computed,
            Ok(None) => return connection.roll_back().await,
            Err(Failure::Queue(error)) => {
                connection.roll_back().await?;
                return Err(error.into());
            }
            Err(failure) => return Err(failure),
        };
        let writes = Writes::new(session, commit, changes, &leased)?;
        writes.write(self, &connection, &statements).await?;
        connection.leave_transaction();
        Ok(())
    }

    /// Locks and reads everything that the commit touches. Returns the changes and the leased ones among the hosts, or
    /// `None` if the commit was applied before.
    async fn lock_and_compute<'a>(
        &self,
        connection: &Connection,
        statements: &Statements,
        session: &Session,
        commit: &'a Commit,
    ) -> Result<Option<(Changes<'a>, BTreeSet<HostId>)>, Failure> {
        let touched = Touched::by(commit);
        let host_keys: Vec<Uuid> = touched.hosts.iter().map(|&id| rows::host_key(id)).collect();
        let (task_hosts, task_urls) = rows::task_keys(touched.tasks);
        let (id, now) = (rows::session_key(session.id), self.now_override());
        let (_, fence, hosts, tasks, times) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&statements.lock, [&self.crawl, &id, &now]),
            connection.query(&statements.hosts, [&self.crawl, &host_keys]),
            connection.query(&statements.tasks, [&self.crawl, &task_hosts, &task_urls]),
            connection.query(&statements.times, [&self.crawl]),
        )?;
        let Fence { commit_seq: last, now } = Fence::of(&fence, session)?;
        if commit.seq == last && last > 0 {
            return Ok(None);
        }
        if commit.seq != last + 1 {
            return Err(QueueError::OutOfOrder { last, found: commit.seq }.into());
        }
        let hosts: Vec<HostRow> = hosts.iter().map(HostRow::of).collect::<Result<_, _>>()?;
        let leased = hosts.iter().filter(|row| row.owner.is_some()).map(|row| row.id).collect();
        let known = Known {
            hosts: hosts.into_iter().map(|row| (row.id, row.record)).collect(),
            tasks: tasks.iter().map(rows::task_state).collect::<Result<_, _>>()?,
        };
        let sessions = read::session_times(&times)?;
        let keep_time = |record: &mut HostRecord| record.keep_shared_time(session.number, now, &sessions);
        Ok(Some((Changes::of(commit, known, self.bounds, keep_time), leased)))
    }
}

struct Statements {
    lock: Statement,
    hosts: Statement,
    tasks: Statement,
    times: Statement,
    insert_hosts: Statement,
    update_hosts: Statement,
    insert_tasks: Statement,
    update_tasks: Statement,
    write_robots: Statement,
    write_fetched: Statement,
    write_segment: Statement,
    commit_session: Statement,
}

impl Statements {
    async fn prepare(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            lock: connection.prepare(include_str!("sql/session_lock.sql")).await?,
            hosts: connection.prepare(include_str!("sql/hosts_lock.sql")).await?,
            tasks: connection.prepare(include_str!("sql/tasks_read.sql")).await?,
            times: connection.prepare(include_str!("sql/session_times.sql")).await?,
            insert_hosts: connection.prepare(include_str!("sql/hosts_insert.sql")).await?,
            update_hosts: connection.prepare(include_str!("sql/hosts_update.sql")).await?,
            insert_tasks: connection.prepare(include_str!("sql/tasks_insert.sql")).await?,
            update_tasks: connection.prepare(include_str!("sql/tasks_update.sql")).await?,
            write_robots: connection.prepare(include_str!("sql/robots_write.sql")).await?,
            write_fetched: connection.prepare(include_str!("sql/fetched_write.sql")).await?,
            write_segment: connection.prepare(include_str!("sql/segment_write.sql")).await?,
            commit_session: connection.prepare(include_str!("sql/session_commit.sql")).await?,
        })
    }
}

/// Everything that a commit writes, as columns.
struct Writes {
    session: Uuid,
    number: i32,
    seq: i64,
    previous_commit_us: i64,
    usage: Vec<u8>,
    requests: i64,
    fetches: Vec<u8>,
    totals: TotalsChange,
    new_hosts: HostColumns,
    hosts: HostColumns,
    new_tasks: TaskColumns,
    tasks: TaskColumns,
    robots: Vec<Uuid>,
    robots_records: Vec<Vec<u8>>,
    segment: Option<SegmentColumns>,
}

impl Writes {
    fn new(
        session: &Session,
        commit: &Commit,
        changes: Changes<'_>,
        leased: &BTreeSet<HostId>,
    ) -> Result<Self, Failure> {
        let (mut new_hosts, mut hosts) = (HostColumns::default(), HostColumns::default());
        for (id, change) in changes.hosts {
            let columns = if change.before.is_none() { &mut new_hosts } else { &mut hosts };
            columns.push(id, &change.after, leased.contains(&id))?;
        }
        let (mut new_tasks, mut tasks) = (TaskColumns::default(), TaskColumns::default());
        for (id, change) in changes.tasks {
            let columns = if change.before.is_none() { &mut new_tasks } else { &mut tasks };
            columns.push(id, &change.after)?;
        }
        let (mut robots, mut robots_records) = (Vec::new(), Vec::new());
        for (id, record) in changes.robots {
            robots.push(rows::host_key(id));
            robots_records.push(codec::encode(record)?);
        }
        Ok(Self {
            session: rows::session_key(session.id),
            number: rows::number_key(session.number),
            seq: rows::signed(commit.seq),
            previous_commit_us: rows::signed(commit.previous_commit_us),
            usage: codec::encode(&commit.usage)?,
            requests: rows::signed(commit.fetches.len() as u64),
            fetches: codec::encode(&commit.fetches)?,
            totals: changes.totals,
            new_hosts,
            hosts,
            new_tasks,
            tasks,
            robots,
            robots_records,
            segment: commit
                .segment
                .as_ref()
                .map(|segment| SegmentColumns::of(segment, session))
                .transpose()?,
        })
    }

    /// Writes everything and commits, in one round trip.
    async fn write(
        &self,
        queue: &PostgresQueue,
        connection: &Connection,
        statements: &Statements,
    ) -> Result<(), Failure> {
        let (crawl, now, ttl_s) = (queue.crawl, queue.now_override(), SESSION_TTL.as_secs_f64());
        let (new_hosts, hosts, new_tasks, tasks) =
            (&self.new_hosts, &self.hosts, &self.new_tasks, &self.tasks);
        let totals = &self.totals;
        let no_segment = SegmentColumns::default();
        let segment = self.segment.as_ref().unwrap_or(&no_segment);
        let (_, _, _, _, _, _, _, renewed, ()) = tokio::try_join!(
            biased;
            connection.execute_if(!new_hosts.ids.is_empty(), &statements.insert_hosts, [
                &crawl, &new_hosts.ids, &new_hosts.origin, &new_hosts.is_seed, &new_hosts.due_at,
                &new_hosts.not_before, &new_hosts.inbox, &new_hosts.accepted, &new_hosts.unfinished, &new_hosts.wall_us,
                &new_hosts.busy_session, &new_hosts.busy_since, &new_hosts.account,
            ]),
            connection.execute_if(!hosts.ids.is_empty(), &statements.update_hosts, [
                &crawl, &hosts.ids, &hosts.is_seed, &hosts.due_at, &hosts.not_before, &hosts.inbox, &hosts.accepted,
                &hosts.unfinished, &hosts.wall_us, &hosts.busy_session, &hosts.busy_since, &hosts.account,
            ]),
            connection.execute_if(!new_tasks.hosts.is_empty(), &statements.insert_tasks, [
                &crawl, &new_tasks.hosts, &new_tasks.urls, &new_tasks.state, &new_tasks.priority,
                &new_tasks.kind, &new_tasks.depth, &new_tasks.hops, &new_tasks.attempts,
                &new_tasks.not_before, &new_tasks.url, &new_tasks.parent_host, &new_tasks.parent_url,
                &new_tasks.named_by, &new_tasks.outcome,
            ]),
            connection.execute_if(!tasks.hosts.is_empty(), &statements.update_tasks, [
                &crawl, &tasks.hosts, &tasks.urls, &tasks.state, &tasks.attempts, &tasks.not_before,
                &tasks.named_by, &tasks.outcome,
            ]),
            connection.execute_if(!self.robots.is_empty(), &statements.write_robots, [
                &crawl, &self.robots, &self.robots_records,
            ]),
            connection.execute(&statements.write_fetched, [
                &crawl, &self.number, &self.seq, &self.previous_commit_us, &self.fetches,
            ]),
            connection.execute_if(self.segment.is_some(), &statements.write_segment, [
                &crawl, &self.number, &segment.seq, &segment.name, &segment.bytes, &segment.rows,
                &segment.crc32c, &segment.replaces_from, &now,
            ]),
            connection.execute(&statements.commit_session, [
                &crawl, &self.session, &self.seq, &now, &ttl_s, &self.usage, &totals.hosts,
                &totals.hosts_done, &totals.tasks, &totals.tasks_pending, &totals.entries, &self.requests,
            ]),
            connection.commit(),
        )?;
        // The session's row was locked, so nothing else can have changed its commit number.
        if renewed == 1 { Ok(()) } else { Err(rows::damaged("session", "commit number")) }
    }
}

#[derive(Default)]
struct HostColumns {
    ids: Vec<Uuid>,
    origin: Vec<String>,
    is_seed: Vec<bool>,
    due_at: Vec<Option<SystemTime>>,
    not_before: Vec<Option<SystemTime>>,
    inbox: Vec<i64>,
    accepted: Vec<i64>,
    unfinished: Vec<i64>,
    wall_us: Vec<i64>,
    busy_session: Vec<Option<i32>>,
    busy_since: Vec<Option<SystemTime>>,
    account: Vec<Vec<u8>>,
}

impl HostColumns {
    fn push(&mut self, id: HostId, record: &HostRecord, is_leased: bool) -> Result<(), Failure> {
        let due_at = if is_leased { None } else { due_at(record) };
        self.ids.push(rows::host_key(id));
        self.origin.push(record.host.to_string());
        self.is_seed.push(record.is_seed);
        self.due_at.push(due_at.map(rows::moment));
        self.not_before.push(record.not_before.map(rows::moment));
        self.inbox.push(rows::signed(record.inbox));
        self.accepted.push(rows::signed(record.accepted));
        self.unfinished.push(rows::signed(record.account.unfinished()));
        self.wall_us.push(rows::signed(record.wall_us));
        self.busy_session.push(record.busy_since.map(|(number, _)| rows::number_key(number)));
        self.busy_since.push(record.busy_since.map(|(_, since)| rows::moment(since)));
        self.account.push(codec::encode(&record.account)?);
        Ok(())
    }
}

#[derive(Default)]
struct TaskColumns {
    hosts: Vec<Uuid>,
    urls: Vec<Uuid>,
    state: Vec<i16>,
    priority: Vec<i32>,
    kind: Vec<i16>,
    depth: Vec<i32>,
    hops: Vec<i16>,
    attempts: Vec<i16>,
    not_before: Vec<Option<SystemTime>>,
    url: Vec<String>,
    parent_host: Vec<Option<Uuid>>,
    parent_url: Vec<Option<Uuid>>,
    named_by: Vec<String>,
    outcome: Vec<Option<Vec<u8>>>,
}

impl TaskColumns {
    fn push(&mut self, id: TaskId, state: &TaskState) -> Result<(), Failure> {
        let (state, task, outcome) = match state {
            TaskState::Pending(task) => (state::PENDING, Some(task), None),
            TaskState::ReadAs => (state::READ_AS, None, None),
            TaskState::Done { task, outcome } => {
                let state = match GivenUp::of(id, task.kind, outcome) {
                    None => state::DONE,
                    Some(GivenUp { robots_unavailable: false, .. }) => state::GIVEN_UP,
                    Some(GivenUp { robots_unavailable: true, .. }) => state::GIVEN_UP_ROBOTS_UNAVAILABLE,
                };
                (state, Some(task), Some(codec::encode(outcome)?))
            }
        };
        self.hosts.push(rows::host_key(id.host));
        self.urls.push(Uuid::from_u128(id.url));
        self.state.push(state);
        self.outcome.push(outcome);
        self.push_task(task);
        Ok(())
    }

    /// Adds the columns of a task. A URL that never was a task gets default values.
    fn push_task(&mut self, task: Option<&Task>) {
        let parent = task.and_then(|task| task.parent);
        self.priority.push(task.map_or(0, |task| task.priority().into()));
        self.kind.push(task.map_or(1, |task| rows::kind_key(task.kind)));
        self.depth.push(task.map_or(0, |task| task.depth.into()));
        self.hops.push(task.map_or(0, |task| task.hops.into()));
        self.attempts.push(task.map_or(0, |task| task.attempts.into()));
        self.not_before.push(task.and_then(|task| task.not_before).map(rows::moment));
        self.url.push(task.map_or_else(String::new, |task| task.url.clone()));
        self.parent_host.push(parent.map(|parent| rows::host_key(parent.host)));
        self.parent_url.push(parent.map(|parent| Uuid::from_u128(parent.url)));
        self.named_by.push(rows::host_array(task.map_or(&[], |task| &task.named_by)));
    }
}

#[derive(Default)]
struct SegmentColumns {
    seq: i32,
    name: String,
    bytes: i64,
    rows: i64,
    crc32c: i64,
    /// `None` if it replaces no segments.
    replaces_from: Option<i32>,
}

impl SegmentColumns {
    /// Other machines cannot read a local file, so a segment is registered only when it is complete.
    fn of(segment: &SegmentRef, session: &Session) -> Result<Self, Failure> {
        let refused = |what: &str| QueueError::Storage(format!("segment {}: {what}", segment.name));
        let name: SegmentName = segment.name.parse().map_err(|_| refused("invalid segment name"))?;
        if name.session != session.id {
            return Err(refused("written by another session").into());
        }
        if segment.from_bytes != 0 || name.sealed != Some(segment.crc32c) {
            return Err(refused("a shared crawl accepts only complete, sealed segments").into());
        }
        Ok(Self {
            seq: rows::number_key(name.seq),
            name: segment.name.clone(),
            bytes: rows::signed(segment.to_bytes),
            rows: rows::signed(segment.rows),
            crc32c: segment.crc32c.into(),
            replaces_from: segment.replaces_from.map(rows::number_key),
        })
    }
}
