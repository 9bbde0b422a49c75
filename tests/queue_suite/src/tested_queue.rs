//! The queue under test, as the cases see it: no case has a type parameter, so each is compiled once.

use std::pin::{Pin, pin};
use std::time::Duration;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    WorkQueue,
};
use frontier::{FetchRecord, HostId, TaskId, Timestamp};

use crate::Harness;

/// Creates the queues for a case, each of them empty.
#[derive(Clone, Copy, Debug)]
pub struct Factory(fn(QueueBounds) -> Box<dyn TestedQueue>);

impl Factory {
    /// The factory for the queues of a harness.
    pub fn of<H: Harness>() -> Self {
        Self(|bounds| Box::new(run::<H, _>(H::fresh(bounds))))
    }

    pub(crate) fn create(self, bounds: QueueBounds) -> Box<dyn TestedQueue> {
        self.0(bounds)
    }
}

/// The calls of a [`Harness`] and of its queue, each run to completion by [`Harness::block_on`].
pub(crate) trait TestedQueue {
    fn session_ttl(&self) -> Option<Duration>;
    fn reopen(&mut self);
    fn now(&self) -> Timestamp;
    fn advance(&self, span: Duration);
    fn hosts(&mut self) -> Vec<HostRecord>;
    fn fetches(&mut self) -> Vec<FetchRecord>;

    fn open_session(&self, worker: &str) -> Result<Session, QueueError>;
    fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError>;
    fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError>;
    fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError>;
    fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError>;
    fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError>;
    fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError>;
    fn renew(&self, session: &Session) -> Result<Timestamp, QueueError>;
    fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError>;
    fn reap(&self) -> Result<usize, QueueError>;
    fn counts(&self) -> Result<Counts, QueueError>;
}

/// Runs any future to completion. [`Harness::block_on`] is always called with the same type, so it is compiled once.
fn run<H: Harness, T>(future: impl Future<Output = T>) -> T {
    let mut output = None;
    H::block_on(pin!(async { output = Some(future.await) }) as Pin<&mut dyn Future<Output = ()>>);
    output.unwrap()
}

impl<H: Harness> TestedQueue for H {
    fn session_ttl(&self) -> Option<Duration> {
        H::SESSION_TTL
    }

    fn reopen(&mut self) {
        run::<H, _>(Harness::reopen(self));
    }

    fn now(&self) -> Timestamp {
        Harness::now(self)
    }

    fn advance(&self, span: Duration) {
        Harness::advance(self, span);
    }

    fn hosts(&mut self) -> Vec<HostRecord> {
        run::<H, _>(Harness::hosts(self))
    }

    fn fetches(&mut self) -> Vec<FetchRecord> {
        run::<H, _>(Harness::fetches(self))
    }

    fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        run::<H, _>(self.queue().open_session(worker))
    }

    fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        run::<H, _>(self.queue().lease(session, n))
    }

    fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        run::<H, _>(self.queue().load(session, hosts, n))
    }

    fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        run::<H, _>(self.queue().are_done(session, tasks))
    }

    fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        run::<H, _>(self.queue().given_up(session, after, n))
    }

    fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        run::<H, _>(self.queue().commit(session, commit))
    }

    fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        run::<H, _>(self.queue().release(session, hosts))
    }

    fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        run::<H, _>(self.queue().renew(session))
    }

    fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        run::<H, _>(self.queue().records(hosts))
    }

    fn reap(&self) -> Result<usize, QueueError> {
        run::<H, _>(self.queue().reap())
    }

    fn counts(&self) -> Result<Counts, QueueError> {
        run::<H, _>(self.queue().counts())
    }
}
