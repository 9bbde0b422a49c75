//! Leases hosts, loads their tasks, and releases or reclaims hosts.

use std::collections::HashMap;
use std::time::SystemTime;

use frontier::work_queue::{
    GivenUp, HostRecord, LeasedHost, Loaded, QueueError, REAPED_COOLDOWN, Release, Session,
};
use frontier::{HostId, Task, TaskId, Timestamp};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::connection::{Connection, Fence};
use super::error::Failure;
use super::queue::PostgresQueue;
use super::read;
use super::rows::value;
use super::rows::{self, HostRow};

impl PostgresQueue {
    pub(super) async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        let mut lease = [0; 8];
        getrandom::fill(&mut lease)
            .map_err(|error| QueueError::Storage(format!("failed to get random bytes: {error}")))?;
        let lease = i64::from_be_bytes(lease);
        self.database.retry_until_timeout(|tries| self.try_lease(session, n, lease, tries > 0)).await
    }

    /// `lease` is a random number that identifies the call. It finds the hosts that an earlier try of the same call
    /// leased.
    async fn try_lease(
        &self,
        session: &Session,
        n: usize,
        lease: i64,
        may_be_done: bool,
    ) -> Result<Vec<LeasedHost>, Failure> {
        let mut connection = self.database.connection().await?;
        let lock = connection.prepare(include_str!("sql/session_lock.sql")).await?;
        let statement = connection.prepare(include_str!("sql/lease.sql")).await?;
        let (crawl, id, number) =
            (self.crawl, rows::session_key(session.id), rows::number_key(session.number));
        let (now, n) = (self.now_override(), rows::limit(n));
        connection.enter_transaction();
        let (_, fence) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&lock, [&crawl, &id, &now]),
        )?;
        if let Err(fenced) = Fence::of(&fence, session) {
            connection.roll_back().await?;
            return Err(fenced);
        }
        // An earlier try may have succeeded. Once we hold the lock, that try has ended.
        let again = include_str!("sql/lease_again.sql");
        let mut leased = if may_be_done {
            connection.prepare_and_query(again, [&crawl, &number, &lease]).await?
        } else {
            Vec::new()
        };
        if leased.is_empty() {
            let leasing = connection.query(&statement, [&crawl, &n, &number, &lease, &now]);
            (leased, ()) = tokio::try_join!(biased; leasing, connection.commit())?;
        } else {
            connection.commit().await?;
        }
        connection.leave_transaction();
        leased.iter().map(|row| rows::leased_host(row, session)).collect()
    }

    pub(super) async fn try_load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> Result<Vec<Loaded>, Failure> {
        let connection = self.database.connection().await?;
        let fence = connection.prepare(include_str!("sql/session_fence.sql")).await?;
        let inboxes = connection.prepare(include_str!("sql/load_hosts.sql")).await?;
        let tasks = connection.prepare(include_str!("sql/load_tasks.sql")).await?;
        let (crawl, id, number) =
            (self.crawl, rows::session_key(session.id), rows::number_key(session.number));
        let (now, n) = (self.now_override(), rows::limit(n));
        let mut keys: Vec<Uuid> = hosts.iter().map(|&id| rows::host_key(id)).collect();
        keys.sort_unstable();
        keys.dedup();
        // `inbox` is read before the tasks, so that a task added in between makes it differ at the release.
        let (fence, inboxes, tasks) = tokio::try_join!(
            biased;
            connection.query(&fence, [&crawl, &id, &now]),
            connection.query(&inboxes, [&crawl, &keys, &number]),
            connection.query(&tasks, [&crawl, &keys, &number, &n]),
        )?;
        Fence::of(&fence, session)?;
        let mut by_host: HashMap<HostId, Vec<Task>> = HashMap::new();
        for row in &tasks {
            let task = rows::task(row)?;
            by_host.entry(task.id.host).or_default().push(task);
        }
        let mut loaded = HashMap::new();
        for row in &inboxes {
            let mut one = loaded_host(row)?;
            one.tasks = by_host.remove(&one.host).unwrap_or_default();
            one.tasks.sort_by_key(|task| (task.priority(), task.id));
            loaded.insert(one.host, one);
        }
        Ok(hosts.iter().filter_map(|host| loaded.get(host).cloned()).collect())
    }

    pub(super) async fn try_are_done(
        &self,
        session: &Session,
        tasks: &[TaskId],
    ) -> Result<Vec<bool>, Failure> {
        let connection = self.database.connection().await?;
        let fence = connection.prepare(include_str!("sql/session_fence.sql")).await?;
        let done = connection.prepare(include_str!("sql/are_done.sql")).await?;
        let (id, now) = (rows::session_key(session.id), self.now_override());
        let (hosts, urls) = rows::task_keys(tasks.iter().copied());
        let (fence, done) = tokio::try_join!(
            biased;
            connection.query(&fence, [&self.crawl, &id, &now]),
            connection.query(&done, [&self.crawl, &hosts, &urls]),
        )?;
        Fence::of(&fence, session)?;
        let id = |row: &Row| Ok::<_, Failure>(rows::task_id(value(row, 0)?, value(row, 1)?));
        let done: std::collections::HashSet<TaskId> = done.iter().map(id).collect::<Result<_, _>>()?;
        Ok(tasks.iter().map(|task| done.contains(task)).collect())
    }

    pub(super) async fn try_given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, Failure> {
        let connection = self.database.connection().await?;
        let fence = include_str!("sql/session_fence.sql");
        let fence = connection
            .prepare_and_query(fence, [&self.crawl, &rows::session_key(session.id), &self.now_override()])
            .await?;
        Fence::of(&fence, session)?;
        let found = match after {
            None => {
                connection
                    .prepare_and_query(include_str!("sql/given_up_first.sql"), [&self.crawl, &rows::limit(n)])
                    .await?
            }
            Some(id) => {
                let (host, url) = (rows::host_key(id.host), Uuid::from_u128(id.url));
                let next = include_str!("sql/given_up.sql");
                connection.prepare_and_query(next, [&self.crawl, &host, &url, &rows::limit(n)]).await?
            }
        };
        let given_up = found.iter().map(|row| {
            let task = rows::task_id(value(row, 0)?, value(row, 1)?);
            let robots_unavailable = value::<i16>(row, 2)? == rows::state::GIVEN_UP_ROBOTS_UNAVAILABLE;
            Ok(GivenUp { task, robots_unavailable })
        });
        given_up.collect()
    }

    pub(super) async fn try_release(
        &self,
        session: &Session,
        hosts: &[Release],
    ) -> Result<Vec<HostId>, Failure> {
        let mut connection = self.database.connection().await?;
        let lock = connection.prepare(include_str!("sql/session_lock.sql")).await?;
        let leased = connection.prepare(include_str!("sql/hosts_leased_lock.sql")).await?;
        let times = connection.prepare(include_str!("sql/session_times.sql")).await?;
        let free = connection.prepare(include_str!("sql/hosts_release.sql")).await?;
        let (id, number, now) =
            (rows::session_key(session.id), rows::number_key(session.number), self.now_override());
        let keys: Vec<Uuid> = hosts.iter().map(|release| rows::host_key(release.host)).collect();
        connection.enter_transaction();
        let (_, fence, leased, times) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&lock, [&self.crawl, &id, &now]),
            connection.query(&leased, [&self.crawl, &keys, &number]),
            connection.query(&times, [&self.crawl]),
        )?;
        let fence = match Fence::of(&fence, session) {
            Ok(fence) => fence,
            Err(fenced) => {
                connection.roll_back().await?;
                return Err(fenced);
            }
        };
        let leased: Vec<HostRow> = leased.iter().map(HostRow::of).collect::<Result<_, _>>()?;
        let mut leased: HashMap<HostId, HostRecord> =
            leased.into_iter().map(|row| (row.id, row.record)).collect();
        let sessions = read::session_times(&times)?;
        let (mut freed, mut kept) = (FreedHosts::default(), Vec::new());
        for release in hosts {
            match leased.get(&release.host) {
                None => {}
                Some(record) if record.inbox != release.inbox => kept.push(release.host),
                Some(_) => {
                    let Some(mut record) = leased.remove(&release.host) else { continue };
                    record.release(release, fence.now);
                    record.keep_shared_time(session.number, fence.now, &sessions);
                    freed.push(release.host, &record);
                }
            }
        }
        if freed.hosts.is_empty() {
            connection.roll_back().await?;
            return Ok(kept);
        }
        tokio::try_join!(biased; freed.write(self.crawl, &connection, &free, false), connection.commit())?;
        connection.leave_transaction();
        Ok(kept)
    }

    /// Reclaims the hosts of the `dead` sessions, within the transaction that ends these sessions.
    pub(super) async fn reclaim_hosts(&self, connection: &Connection, dead: &[i32]) -> Result<(), Failure> {
        let lock = connection.prepare(include_str!("sql/hosts_orphan_lock.sql")).await?;
        let times = connection.prepare(include_str!("sql/session_times.sql")).await?;
        let free = connection.prepare(include_str!("sql/hosts_release.sql")).await?;
        let orphans = connection.query(&lock, [&self.crawl, &dead, &self.now_override()]).await?;
        let sessions = read::session_times(&connection.query(&times, [&self.crawl]).await?)?;
        // Reaping belongs to no session, so it uses the number after the last one.
        let number = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        let mut freed = FreedHosts::default();
        for row in &orphans {
            let HostRow { id, mut record, .. } = HostRow::of(row)?;
            let now = rows::timestamp(value(row, 12)?);
            record.not_before = record.not_before.max(Some(now + REAPED_COOLDOWN));
            record.reclaim_shared(number, now, &sessions);
            freed.push(id, &record);
        }
        if freed.hosts.is_empty() { Ok(()) } else { freed.write(self.crawl, connection, &free, true).await }
    }
}

/// Columns of hosts that are released or reclaimed.
#[derive(Default)]
struct FreedHosts {
    hosts: Vec<Uuid>,
    due_at: Vec<Option<SystemTime>>,
    not_before: Vec<Option<SystemTime>>,
    parked: Vec<bool>,
    wall_us: Vec<i64>,
    busy_session: Vec<Option<i32>>,
    busy_since: Vec<Option<SystemTime>>,
}

impl FreedHosts {
    /// Writes the hosts. `reaped` says that they were reclaimed, not released.
    async fn write(
        &self,
        crawl: i32,
        connection: &Connection,
        free: &Statement,
        reaped: bool,
    ) -> Result<(), Failure> {
        let freed = connection.execute(
            free,
            [
                &crawl,
                &self.hosts,
                &self.due_at,
                &self.not_before,
                &self.parked,
                &self.wall_us,
                &self.busy_session,
                &self.busy_since,
                &reaped,
            ],
        );
        freed.await.map(|_| ())
    }

    fn push(&mut self, id: HostId, record: &HostRecord) {
        self.hosts.push(rows::host_key(id));
        self.due_at.push(due_at(record).map(rows::moment));
        self.not_before.push(record.not_before.map(rows::moment));
        self.parked.push(record.parked);
        self.wall_us.push(rows::signed(record.wall_us));
        self.busy_session.push(record.busy_since.map(|(number, _)| rows::number_key(number)));
        self.busy_since.push(record.busy_since.map(|(_, since)| rows::moment(since)));
    }
}

/// The due time of a host that is not leased; `None` if it has no unfinished task.
pub(super) fn due_at(record: &HostRecord) -> Option<Timestamp> {
    (record.account.unfinished() > 0).then(|| record.due_at())
}

fn loaded_host(row: &Row) -> Result<Loaded, Failure> {
    Ok(Loaded {
        host: rows::host_id(value(row, 0)?),
        inbox: rows::unsigned(value(row, 1)?),
        busy_since: value::<Option<SystemTime>>(row, 2)?.map(rows::timestamp),
        tasks: Vec::new(),
    })
}
