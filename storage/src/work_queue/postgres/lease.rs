//! Leases hosts, loads their tasks, and releases or reclaims hosts.

use std::collections::{HashMap, HashSet};

use frontier::work_queue::{
    GivenUp, HostRecord, LeasedHost, Loaded, QueueError, REAPED_COOLDOWN, Release, Session,
};
use frontier::{HostId, Task, TaskId, TaskKind};
use uuid::Uuid;

use super::connection::{Connection, Parameters};
use super::error::Failure;
use super::fields::Fields;
use super::queue::PostgresQueue;
use super::sql::sql;
use super::tables::{self, Fence, HostRow};
use super::values::{host_key, limit, number_key, session_key, task_keys};

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
        let lock = connection.prepare(sql!("sql/session_lock.sql")).await?;
        let statement = connection.prepare(sql!("sql/lease.sql")).await?;
        let (crawl, id, number) = (self.crawl, session_key(session.id), number_key(session.number));
        let (now, n) = (self.now_override(), limit(n));
        connection.enter_transaction();
        let (_, fence) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&lock, [("crawl", &crawl), ("id", &id), ("now", &now)]),
        )?;
        if let Err(fenced) = Fence::read(&fence, session) {
            connection.roll_back().await?;
            return Err(fenced);
        }
        // An earlier try may have succeeded. Once we hold the lock, that try has ended.
        let again = sql!("sql/lease_again.sql");
        let mut leased = if may_be_done {
            connection
                .prepare_and_query(
                    again,
                    [("crawl", &crawl), ("owner", &number), ("lease", &lease), ("now", &now)],
                )
                .await?
        } else {
            Vec::new()
        };
        if leased.is_empty() {
            let leasing = connection.query(
                &statement,
                [("crawl", &crawl), ("limit", &n), ("owner", &number), ("lease", &lease), ("now", &now)],
            );
            (leased, ()) = tokio::try_join!(biased; leasing, connection.commit())?;
        } else {
            connection.commit().await?;
        }
        connection.leave_transaction();
        leased.iter().map(|row| tables::leased_host(row, session)).collect()
    }

    pub(super) async fn try_load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> Result<Vec<Loaded>, Failure> {
        let connection = self.database.connection().await?;
        let fence = connection.prepare(sql!("sql/session_fence.sql")).await?;
        let inboxes = connection.prepare(sql!("sql/load_hosts.sql")).await?;
        let tasks = connection.prepare(sql!("sql/load_tasks.sql", tables::TASK.select_list())).await?;
        let (crawl, id, number) = (self.crawl, session_key(session.id), number_key(session.number));
        let (now, n) = (self.now_override(), limit(n));
        let mut keys: Vec<Uuid> = hosts.iter().map(|&id| host_key(id)).collect();
        keys.sort_unstable();
        keys.dedup();
        // `inbox` is read before the tasks, so that a task added in between makes it differ at the release.
        let (fence, inboxes, tasks) = tokio::try_join!(
            biased;
            connection.query(&fence, [("crawl", &crawl), ("id", &id), ("now", &now)]),
            connection.query(&inboxes, [("crawl", &crawl), ("host_id", &keys), ("owner", &number)]),
            connection.query(
                &tasks,
                [("crawl", &crawl), ("host_id", &keys), ("owner", &number), ("limit", &n)],
            ),
        )?;
        Fence::read(&fence, session)?;
        let mut by_host: HashMap<HostId, Vec<Task>> = HashMap::new();
        for row in &tasks {
            let task = tables::task(row)?;
            by_host.entry(task.id.host).or_default().push(task);
        }
        let mut loaded = HashMap::new();
        for row in &inboxes {
            let mut one = tables::loaded_host(row)?;
            let mut tasks = by_host.remove(&one.host).unwrap_or_default();
            tasks.sort_by_key(|task| (task.priority(), task.id));
            (one.hops, one.tasks) = tasks.into_iter().partition(|task| task.kind == TaskKind::RobotsHop);
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
        let fence = connection.prepare(sql!("sql/session_fence.sql")).await?;
        let done = connection.prepare(sql!("sql/are_done.sql")).await?;
        let (id, now) = (session_key(session.id), self.now_override());
        let (hosts, urls) = task_keys(tasks.iter().copied());
        let (fence, done) = tokio::try_join!(
            biased;
            connection.query(&fence, [("crawl", &self.crawl), ("id", &id), ("now", &now)]),
            connection.query(
                &done,
                [("crawl", &self.crawl), ("host_id", &hosts), ("url_hash", &urls)],
            ),
        )?;
        Fence::read(&fence, session)?;
        let done: HashSet<TaskId> = done.iter().map(tables::task_id).collect::<Result<_, _>>()?;
        Ok(tasks.iter().map(|task| done.contains(task)).collect())
    }

    pub(super) async fn try_given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, Failure> {
        let connection = self.database.connection().await?;
        let fence = sql!("sql/session_fence.sql");
        let fence = connection
            .prepare_and_query(
                fence,
                [("crawl", &self.crawl), ("id", &session_key(session.id)), ("now", &self.now_override())],
            )
            .await?;
        Fence::read(&fence, session)?;
        let found = match after {
            None => {
                let first = sql!("sql/given_up_first.sql");
                connection.prepare_and_query(first, [("crawl", &self.crawl), ("limit", &limit(n))]).await?
            }
            Some(id) => {
                let (host, url) = (host_key(id.host), Uuid::from_u128(id.url));
                let next = sql!("sql/given_up.sql");
                connection
                    .prepare_and_query(
                        next,
                        [
                            ("crawl", &self.crawl),
                            ("host_id", &host),
                            ("url_hash", &url),
                            ("limit", &limit(n)),
                        ],
                    )
                    .await?
            }
        };
        found.iter().map(tables::given_up).collect()
    }

    pub(super) async fn try_release(
        &self,
        session: &Session,
        hosts: &[Release],
    ) -> Result<Vec<HostId>, Failure> {
        let mut connection = self.database.connection().await?;
        let lock = connection.prepare(sql!("sql/session_lock.sql")).await?;
        let leased =
            connection.prepare(sql!("sql/hosts_leased_lock.sql", HostRow::TABLE.select_list())).await?;
        let times = connection.prepare(sql!("sql/session_times.sql")).await?;
        let free = connection.prepare(sql!("sql/hosts_release.sql")).await?;
        let (id, number, now) = (session_key(session.id), number_key(session.number), self.now_override());
        let keys: Vec<Uuid> = hosts.iter().map(|release| host_key(release.host)).collect();
        connection.enter_transaction();
        let (_, fence, leased, times) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&lock, [("crawl", &self.crawl), ("id", &id), ("now", &now)]),
            connection.query(
                &leased,
                [("crawl", &self.crawl), ("host_id", &keys), ("owner", &number)],
            ),
            connection.query(&times, [("crawl", &self.crawl)]),
        )?;
        let fence = match Fence::read(&fence, session) {
            Ok(fence) => fence,
            Err(fenced) => {
                connection.roll_back().await?;
                return Err(fenced);
            }
        };
        let leased: Vec<HostRow> = leased.iter().map(HostRow::read).collect::<Result<_, _>>()?;
        let mut leased: HashMap<HostId, HostRecord> =
            leased.into_iter().map(|row| (row.id, row.record)).collect();
        let sessions = tables::session_times(&times)?;
        let (mut freed, mut kept) = (Vec::new(), Vec::new());
        for release in hosts {
            match leased.get(&release.host) {
                None => {}
                Some(record) if record.inbox != release.inbox => kept.push(release.host),
                Some(_) => {
                    let Some(mut record) = leased.remove(&release.host) else { continue };
                    record.release(release, fence.now);
                    record.keep_shared_time(session.number, fence.now, &sessions);
                    freed.push((release.host, record));
                }
            }
        }
        if freed.is_empty() {
            connection.roll_back().await?;
            return Ok(kept);
        }
        let freed = tables::released_hosts(&freed);
        let parameters: Parameters<'_, 2> = [("crawl", &self.crawl), ("reaped", &false)];
        tokio::try_join!(
            biased;
            connection.execute_rows(&free, &freed, parameters),
            connection.commit(),
        )?;
        connection.leave_transaction();
        Ok(kept)
    }

    /// Reclaims the hosts of the `dead` sessions, within the transaction that ends these sessions.
    pub(super) async fn reclaim_hosts(&self, connection: &Connection, dead: &[i32]) -> Result<(), Failure> {
        let lock =
            connection.prepare(sql!("sql/hosts_orphan_lock.sql", HostRow::TABLE.select_list())).await?;
        let times = connection.prepare(sql!("sql/session_times.sql")).await?;
        let free = connection.prepare(sql!("sql/hosts_release.sql")).await?;
        let orphans = connection
            .query(&lock, [("crawl", &self.crawl), ("owner", &dead), ("now", &self.now_override())])
            .await?;
        let sessions = tables::session_times(&connection.query(&times, [("crawl", &self.crawl)]).await?)?;
        // Reaping belongs to no session, so it uses the number after the last one.
        let number = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        let mut freed = Vec::with_capacity(orphans.len());
        for row in &orphans {
            let HostRow { id, mut record, .. } = HostRow::read(row)?;
            let now = Fields::of("host", row).time("now")?;
            record.not_before = record.not_before.max(Some(now + REAPED_COOLDOWN));
            record.reclaim_shared(number, now, &sessions);
            freed.push((id, record));
        }
        let parameters: Parameters<'_, 2> = [("crawl", &self.crawl), ("reaped", &true)];
        connection.execute_rows(&free, &tables::released_hosts(&freed), parameters).await?;
        Ok(())
    }
}
