//! Commits: one round trip locks and reads, another writes.

use std::collections::BTreeSet;

use frontier::work_queue::{Changes, Commit, HostRecord, Known, QueueError, Session, Touched};
use frontier::{HostId, Site};
use uuid::Uuid;

use super::columns::Columns;
use super::connection::{Connection, Parameters, Prepared};
use super::error::Failure;
use super::queue::{PostgresQueue, SESSION_TTL};
use super::sql::sql;
use super::tables::{
    CommittedSession, Fence, FetchedRow, HostRow, SegmentRow, TASK, host_rows, robots_rows, session_times,
    site_counts, site_rows, task_rows, task_state,
};
use super::values::{host_key, session_key, task_keys};

impl PostgresQueue {
    /// Like [`frontier::WorkQueue::commit`], for callers that may have to send the commit again.
    pub async fn commit_ref(&self, session: &Session, commit: &Commit) -> Result<(), QueueError> {
        self.database.retry_until_timeout(|_| self.try_commit(session, commit)).await
    }

    /// Tries the commit once. It is applied only once even if it is tried several times: the session's row, which is
    /// locked first, shows whether an earlier try succeeded.
    pub(super) async fn try_commit(&self, session: &Session, commit: &Commit) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        let read_statements = ReadStatements::prepare(&connection).await?;
        let write_statements = WriteStatements::prepare(&connection).await?;
        connection.enter_transaction();
        let computed = self.lock_and_compute(&connection, &read_statements, session, commit).await;
        let (changes, leased) = match computed {
            Ok(Some(computed)) => computed,
            Ok(None) => return connection.roll_back().await,
            Err(Failure::Queue(error)) => {
                connection.roll_back().await?;
                return Err(error.into());
            }
            Err(failure) => return Err(failure),
        };
        let writes = Writes::new(session, commit, &changes, &leased)?;
        drop(changes);
        writes.write(self, &connection, &write_statements).await?;
        connection.leave_transaction();
        Ok(())
    }

    /// Locks and reads everything that the commit touches. Returns the changes and the leased ones among the hosts, or
    /// `None` if the commit was applied before.
    async fn lock_and_compute<'a>(
        &self,
        connection: &Connection,
        statements: &ReadStatements,
        session: &Session,
        commit: &'a Commit,
    ) -> Result<Option<(Changes<'a>, BTreeSet<HostId>)>, Failure> {
        let touched = Touched::by(commit);
        let host_keys: Vec<Uuid> = touched.hosts.iter().map(|&id| host_key(id)).collect();
        let sites: Vec<&str> = touched.sites.iter().map(Site::as_str).collect();
        let (task_hosts, task_urls) = task_keys(touched.tasks);
        let (id, now) = (session_key(session.id), self.now_override());
        let (_, fence, hosts, tasks, site_rows, times) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&statements.lock, [("crawl", &self.crawl), ("id", &id), ("now", &now)]),
            connection.query(&statements.hosts, [("crawl", &self.crawl), ("host_id", &host_keys)]),
            connection.query(
                &statements.tasks,
                [("crawl", &self.crawl), ("host_id", &task_hosts), ("url_hash", &task_urls)],
            ),
            connection.query_if(
                !sites.is_empty(),
                &statements.sites,
                [("crawl", &self.crawl), ("site", &sites)],
            ),
            connection.query(&statements.times, [("crawl", &self.crawl)]),
        )?;
        let Fence { commit_seq: last, now } = Fence::read(&fence, session)?;
        if commit.seq == last && last > 0 {
            return Ok(None);
        }
        if commit.seq != last + 1 {
            return Err(QueueError::OutOfOrder { last, found: commit.seq }.into());
        }
        let hosts: Vec<HostRow> = hosts.iter().map(HostRow::read).collect::<Result<_, _>>()?;
        let leased = hosts.iter().filter(|row| row.owner.is_some()).map(|row| row.id).collect();
        let known = Known {
            hosts: hosts.into_iter().map(|row| (row.id, row.record)).collect(),
            tasks: tasks.iter().map(task_state).collect::<Result<_, _>>()?,
            sites: site_counts(&site_rows, touched.sites.into_iter())?,
        };
        let sessions = session_times(&times)?;
        let keep_time = |record: &mut HostRecord| record.keep_shared_time(session.number, now, &sessions);
        Ok(Some((Changes::of(commit, known, self.bounds, now, keep_time), leased)))
    }
}

/// The statements of the first round trip.
struct ReadStatements {
    lock: Prepared,
    hosts: Prepared,
    tasks: Prepared,
    sites: Prepared,
    times: Prepared,
}

impl ReadStatements {
    async fn prepare(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            lock: connection.prepare(sql!("sql/session_lock.sql")).await?,
            hosts: connection.prepare(sql!("sql/hosts_lock.sql", HostRow::TABLE.select_list())).await?,
            tasks: connection.prepare(sql!("sql/tasks_read.sql", TASK.select_list())).await?,
            sites: connection.prepare(sql!("sql/sites_read.sql")).await?,
            times: connection.prepare(sql!("sql/session_times.sql")).await?,
        })
    }
}

/// The statements of the second round trip.
struct WriteStatements {
    insert_hosts: Prepared,
    update_hosts: Prepared,
    insert_tasks: Prepared,
    update_tasks: Prepared,
    write_sites: Prepared,
    write_robots: Prepared,
    write_fetched: Prepared,
    write_segment: Prepared,
    commit_session: Prepared,
}

impl WriteStatements {
    async fn prepare(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self {
            insert_hosts: connection.prepare(sql!("sql/hosts_insert.sql")).await?,
            update_hosts: connection.prepare(sql!("sql/hosts_update.sql")).await?,
            insert_tasks: connection.prepare(sql!("sql/tasks_insert.sql")).await?,
            update_tasks: connection.prepare(sql!("sql/tasks_update.sql")).await?,
            write_sites: connection.prepare(sql!("sql/sites_write.sql")).await?,
            write_robots: connection.prepare(sql!("sql/robots_write.sql")).await?,
            write_fetched: connection.prepare(sql!("sql/fetched_write.sql")).await?,
            write_segment: connection.prepare(sql!("sql/segment_write.sql")).await?,
            commit_session: connection.prepare(sql!("sql/session_commit.sql")).await?,
        })
    }
}

/// Everything that a commit writes.
struct Writes {
    session: CommittedSession,
    fetched: FetchedRow,
    new_hosts: Columns,
    hosts: Columns,
    new_tasks: Columns,
    tasks: Columns,
    sites: Columns,
    robots: Columns,
    segment: Option<SegmentRow>,
}

impl Writes {
    fn new(
        session: &Session,
        commit: &Commit,
        changes: &Changes<'_>,
        leased: &BTreeSet<HostId>,
    ) -> Result<Self, Failure> {
        let (new_hosts, hosts): (Vec<_>, Vec<_>) =
            changes.hosts.iter().partition(|(_, change)| change.before.is_none());
        let (new_tasks, tasks): (Vec<_>, Vec<_>) =
            changes.tasks.iter().partition(|(_, change)| change.before.is_none());
        let sites: Vec<_> = changes.sites.iter().collect();
        let robots: Vec<_> = changes.robots.iter().collect();
        let segment = commit.segment.as_ref();
        Ok(Self {
            session: CommittedSession::of(commit, session, changes.totals, SESSION_TTL)?,
            fetched: FetchedRow::of(commit, session)?,
            new_hosts: host_rows(&new_hosts, leased)?,
            hosts: host_rows(&hosts, leased)?,
            new_tasks: task_rows(&new_tasks)?,
            tasks: task_rows(&tasks)?,
            sites: site_rows(&sites),
            robots: robots_rows(&robots)?,
            segment: segment.map(|segment| SegmentRow::of(segment, session)).transpose()?,
        })
    }

    /// Writes everything and commits, in one round trip.
    async fn write(
        &self,
        queue: &PostgresQueue,
        connection: &Connection,
        statements: &WriteStatements,
    ) -> Result<(), Failure> {
        let (crawl, now) = (&queue.crawl, &queue.now_override());
        let only_crawl: Parameters<'_, 1> = [("crawl", crawl)];
        let no_segment = SegmentRow::default();
        let segment = self.segment.as_ref().unwrap_or(&no_segment).parameters(crawl, now);
        let (fetched, session) = (self.fetched.parameters(crawl), self.session.parameters(crawl, now));
        let (_, _, _, _, _, _, _, _, renewed, ()) = tokio::try_join!(
            biased;
            connection.execute_rows(&statements.insert_hosts, &self.new_hosts, only_crawl),
            connection.execute_rows(&statements.update_hosts, &self.hosts, only_crawl),
            connection.execute_rows(&statements.insert_tasks, &self.new_tasks, only_crawl),
            connection.execute_rows(&statements.update_tasks, &self.tasks, only_crawl),
            connection.execute_rows(&statements.write_sites, &self.sites, only_crawl),
            connection.execute_rows(&statements.write_robots, &self.robots, only_crawl),
            connection.execute(&statements.write_fetched, fetched),
            connection.execute_if(self.segment.is_some(), &statements.write_segment, segment),
            connection.execute(&statements.commit_session, session),
            connection.commit(),
        )?;
        // The session's row was locked, so nothing else can have changed its commit number.
        if renewed == 1 { Ok(()) } else { Err(Failure::damaged("session", "commit number")) }
    }
}
