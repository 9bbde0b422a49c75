//! Runs the suite on the model, and compares its commits with [`Changes`], the commit code of the durable queues.

use std::future::Future;

use frontier::work_queue::{Change, Changes, Known, TaskState, TotalsChange, Touched};

use super::*;
use crate::{HandClock, Harness, at_once};

/// The model, whose every commit must change hosts and tasks as [`Changes`] says, the code of the durable queues.
struct ModelWithChanges(ModelQueue);

impl ModelWithChanges {
    fn known(&self, touched: &Touched) -> Known {
        let state = self.0.state();
        let host = |id: &HostId| Some((*id, state.hosts.get(id)?.clone()));
        let task = |id: &TaskId| {
            let found = state.urls.get(id).map(|FoundUrl { task, ended, .. }| match ended.clone() {
                None => TaskState::Pending(task.clone()),
                Some(outcome) => TaskState::Done { task: task.clone(), outcome },
            });
            Some((*id, found.or_else(|| state.read_as.contains(id).then_some(TaskState::ReadAs))?))
        };
        let site = |site: &Site| {
            let hosts = state.found_hosts.iter().filter(|of| *of == site).count() as u64;
            Some((site.clone(), hosts)).filter(|_| hosts > 0)
        };
        Known {
            hosts: touched.hosts.iter().filter_map(host).collect(),
            tasks: touched.tasks.iter().filter_map(task).collect(),
            sites: touched.sites.iter().filter_map(site).collect(),
        }
    }

    fn totals(&self) -> [u64; 5] {
        let counts = self.0.state().counts(Timestamp::from_micros(0));
        [counts.hosts, counts.hosts_done, counts.tasks, counts.tasks_pending, counts.entries]
    }
}

/// The records after a commit that differ from those before it.
fn differing<K: Ord, T: Clone + PartialEq>(
    before: &BTreeMap<K, T>,
    after: BTreeMap<K, T>,
) -> BTreeMap<K, Change<T>> {
    let changes = after.into_iter().map(|(id, after)| {
        let before = before.get(&id).cloned();
        (id, Change { before, after })
    });
    changes.filter(|(_, change)| change.before.as_ref() != Some(&change.after)).collect()
}

impl WorkQueue for ModelWithChanges {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        self.0.open_session(worker).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        self.0.lease(session, n).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        self.0.load(session, hosts, n).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        self.0.are_done(session, tasks).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.0.given_up(session, after, n).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let (sessions, now, touched) = (self.0.sessions(), self.0.clock.now(), Touched::by(&commit));
        let last = sessions.get(session.number as usize).map_or(0, |record| record.commit_seq);
        let (before, totals) = (self.known(&touched), self.totals());
        self.0.commit(session, commit.clone()).await?;
        if commit.seq == last {
            return Ok(());
        }
        let keep_time = |record: &mut HostRecord| match self.0.ttl {
            None => record.keep_time(session.number, now, &sessions),
            Some(_) => record.keep_shared_time(session.number, now, &sessions),
        };
        let changes = Changes::of(&commit, before.clone(), self.0.bounds, now, keep_time);
        let mut after = self.known(&touched);
        for (id, record) in &mut after.hosts {
            // The rules are not part of the records in `Changes`.
            let rules = changes.robots.get(id).copied();
            let old = before.hosts.get(id).and_then(|before| before.robots.clone());
            assert_eq!(record.robots.as_ref(), rules.or(old.as_ref()));
            record.robots = old;
        }
        assert_eq!(changes.hosts, differing(&before.hosts, after.hosts));
        assert_eq!(changes.tasks, differing(&before.tasks, after.tasks));
        assert_eq!(changes.sites, differing(&before.sites, after.sites));
        let TotalsChange { hosts, hosts_done, hosts_parked, tasks, tasks_pending, entries } = changes.totals;
        let by = [hosts, hosts_done, tasks, tasks_pending, entries];
        let expected: Vec<u64> = totals.iter().zip(by).map(|(of, by)| of.strict_add_signed(by)).collect();
        assert_eq!(self.totals()[..], expected, "{by:?}");
        assert_eq!(hosts_parked, 0, "a commit parks no host");
        Ok(())
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        self.0.release(session, hosts).await
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        self.0.renew(session).await
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        self.0.reap().await
    }

    async fn workers(&self) -> Result<u64, QueueError> {
        self.0.workers().await
    }

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        self.0.records(hosts).await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.0.counts().await
    }
}

/// A queue in memory that contains a model.
trait InMemory: WorkQueue {
    fn new(model: ModelQueue) -> Self;
    fn model(&self) -> &ModelQueue;
}

impl InMemory for ModelQueue {
    fn new(model: ModelQueue) -> Self {
        model
    }

    fn model(&self) -> &ModelQueue {
        self
    }
}

impl InMemory for ModelWithChanges {
    fn new(model: ModelQueue) -> Self {
        Self(model)
    }

    fn model(&self) -> &ModelQueue {
        &self.0
    }
}

struct MemoryHarness<Q, const SHARED: bool> {
    queue: Q,
    clock: Arc<HandClock>,
}

impl<Q: InMemory, const SHARED: bool> Harness for MemoryHarness<Q, SHARED> {
    type Queue = Q;
    const SESSION_TTL: Option<Duration> = if SHARED { Some(Duration::from_secs(60)) } else { None };

    fn block_on<F: Future>(future: F) -> F::Output {
        at_once(future)
    }

    async fn fresh(bounds: QueueBounds) -> Self {
        let clock = HandClock::at(Timestamp::from_micros(1_000_000_000));
        let model = match Self::SESSION_TTL {
            Some(ttl) => ModelQueue::shared(clock.clone(), bounds, ttl),
            None => ModelQueue::new(clock.clone(), bounds),
        };
        Self { queue: Q::new(model), clock }
    }

    fn queue(&self) -> &Q {
        &self.queue
    }

    async fn reopen(&mut self) {}

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    async fn hosts(&mut self) -> Vec<HostRecord> {
        self.queue.model().hosts()
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        self.queue.model().fetches()
    }
}

mod on_one_machine {
    use super::{MemoryHarness, ModelQueue};
    crate::work_queue_suite!(MemoryHarness<ModelQueue, false>);
}

mod on_many_machines {
    use super::{MemoryHarness, ModelQueue};
    crate::work_queue_suite!(MemoryHarness<ModelQueue, true>);
}

mod changes_on_one_machine {
    use super::{MemoryHarness, ModelWithChanges};
    crate::work_queue_suite!(MemoryHarness<ModelWithChanges, false>);
}

mod changes_on_many_machines {
    use super::{MemoryHarness, ModelWithChanges};
    crate::work_queue_suite!(MemoryHarness<ModelWithChanges, true>);
}
