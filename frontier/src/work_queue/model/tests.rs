//! Runs the suite on the model, and on the model with [`Changes`], the commit code of the durable queues.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::work_queue::suite::{HandClock, Harness};
use crate::work_queue::{Changes, Known, Touched};

/// Runs a future of a queue in memory, which never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a queue in memory waits"),
    }
}

/// The model with commits that change hosts and tasks through [`Changes`], as durable queues do.
struct ModelWithChanges(ModelQueue);

impl ModelWithChanges {
    fn known(&self, touched: &Touched) -> Known {
        let state = self.0.state();
        let host = |id: &HostId| Some((*id, state.hosts.get(id)?.clone()));
        let task = |id: &TaskId| Some((*id, state.tasks.get(id)?.clone()));
        Known {
            hosts: touched.hosts.iter().filter_map(host).collect(),
            tasks: touched.tasks.iter().filter_map(task).collect(),
        }
    }

    fn totals(&self) -> [u64; 5] {
        let counts = self.0.state().counts(self.0.clock.now());
        [counts.hosts, counts.hosts_done, counts.tasks, counts.tasks_pending, counts.entries]
    }

    fn write(&self, changes: Changes<'_>) {
        let (before, by) = (self.totals(), changes.totals);
        let mut state = self.0.state();
        state.hosts.extend(changes.hosts.into_iter().map(|(id, change)| (id, change.after)));
        state.tasks.extend(changes.tasks.into_iter().map(|(id, change)| (id, change.after)));
        for (id, robots) in changes.robots {
            state.hosts.get_mut(&id).unwrap().robots = Some(robots.clone());
        }
        drop(state);
        let changed = [by.hosts, by.hosts_done, by.tasks, by.tasks_pending, by.entries];
        let expected: Vec<u64> =
            before.iter().zip(changed).map(|(of, by)| of.strict_add_signed(by)).collect();
        assert_eq!(self.totals()[..], expected, "hosts, hosts done, tasks, tasks pending, entries");
        assert_eq!(by.hosts_parked, 0, "a commit parks no host");
    }
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

    /// The model gets the commit without hosts and tasks: it checks the number and stores what a commit only adds.
    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let sessions = self.0.sessions();
        let last = sessions.get(session.number as usize).map_or(0, |record| record.commit_seq);
        let (is_next, now) = (commit.seq == last + 1, self.0.clock.now());
        let keep_time = |record: &mut HostRecord| match self.0.ttl {
            None => record.keep_time(session.number, now, &sessions),
            Some(_) => record.keep_shared_time(session.number, now, &sessions),
        };
        let changes = Changes::of(&commit, self.known(&Touched::by(&commit)), self.0.bounds, keep_time);
        let added = Commit {
            outcomes: Vec::new(),
            again: Vec::new(),
            found: Vec::new(),
            hosts: Vec::new(),
            cooldowns: Vec::new(),
            ..commit.clone()
        };
        self.0.commit(session, added).await?;
        if is_next {
            self.write(changes);
        }
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
