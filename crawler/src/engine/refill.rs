//! Releases and leases hosts and loads their tasks, in the background.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{Counts, HostRecord, LeasedHost, Loaded, QueueError, Release, Session};
use frontier::{HostId, Timestamp, WorkQueue};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::error::EngineError;
use crate::event::Event;

/// Tasks to load of a host when it is leased.
const FIRST_TASKS: usize = 16;
/// How soon an idle worker first looks for hosts that others made due. Each time it finds none, the pause doubles.
const POLL_MIN: Duration = Duration::from_millis(100);
/// The longest pause before an idle worker looks for hosts again.
const POLL_MAX: Duration = Duration::from_secs(5);
/// A due host that stays unleased for so long is not wanted by any other worker.
const UNCLAIMED_AFTER: Duration = Duration::from_secs(2);

/// The state of releasing, leasing and loading. One refill runs at a time.
pub struct Refill {
    running: Option<AbortOnDropHandle<Result<Refilled, QueueError>>>,
    /// Whether there may be hosts to lease.
    pub(super) wants_hosts: bool,
    /// When the next host becomes due that is neither leased nor parked.
    pub(super) next_due_at: Option<Timestamp>,
    /// When to look for hosts that other workers made due or released. `None` while they have no hosts.
    pub(super) poll_at: Option<Timestamp>,
    poll_every: Duration,
    /// This worker's share of the hosts.
    pub(super) share: usize,
    /// Whether there are due hosts that no worker leases.
    pub(super) has_unclaimed_hosts: bool,
    /// The totals of the queue after the last refill.
    pub(super) counts: Counts,
    pub(super) counted_at: Timestamp,
}

/// What a refill does.
pub(super) struct Wanted {
    /// Hosts to release.
    pub releases: Vec<Release>,
    /// Hosts that want tasks, with the number of tasks.
    pub wanting_tasks: Vec<(HostId, usize)>,
    /// The number of hosts to lease.
    pub hosts: usize,
}

/// The result of a refill.
pub(super) struct Refilled {
    /// Hosts that were to be released.
    pub releases: Vec<Release>,
    /// Those of them that stay leased because they have new tasks.
    pub kept: Vec<HostId>,
    /// Newly leased hosts.
    pub leased: Vec<LeasedHost>,
    /// Tasks of leased hosts.
    pub loaded: Vec<Loaded>,
    /// The totals after the refill.
    pub totals: Totals,
}

/// The totals of the queue after a refill.
pub(super) struct Totals {
    counts: Counts,
    workers: u64,
    /// Whether any host was leased.
    has_leased: bool,
    /// Whether as many hosts were leased as were wanted. Then there may be more.
    is_full: bool,
}

impl Refill {
    /// Creates the state at the start of a session, with no host leased.
    pub fn new() -> Self {
        Self {
            running: None,
            wants_hosts: true,
            next_due_at: None,
            poll_at: None,
            poll_every: POLL_MIN,
            share: usize::MAX,
            has_unclaimed_hosts: false,
            counts: Counts::default(),
            counted_at: Timestamp::default(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a refill in the background.
    pub(super) fn start<Q: WorkQueue>(
        &mut self,
        queue: Arc<Q>,
        session: Session,
        wanted: Wanted,
        events: mpsc::Sender<Event>,
    ) {
        self.wants_hosts &= wanted.hosts == 0;
        self.next_due_at = None;
        self.poll_at = None;
        self.running = Some(AbortOnDropHandle::new(tokio::spawn(refill(queue, session, wanted, events))));
    }

    /// Waits for the running refill to finish. Never returns if none is running.
    pub(super) async fn finished(&mut self) -> Result<Refilled, EngineError> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let refilled = running.await.map_err(|_| EngineError::Part("the refill"));
        self.running = None;
        Ok(refilled??)
    }

    /// Takes over the totals after a refill. `hosts` is the number of hosts that this worker has leased; `jitter` is at
    /// least 0 and less than 1.
    pub(super) fn update(&mut self, totals: Totals, hosts: usize, jitter: f64, now: Timestamp) {
        let Totals { counts, workers, has_leased, is_full } = totals;
        self.wants_hosts |= is_full;
        self.next_due_at = counts.next_due_at;
        self.has_unclaimed_hosts = counts.next_due_at.is_some_and(|due| now.since(due) > UNCLAIMED_AFTER);
        self.share = share(&counts, workers);
        let others_have_hosts = counts.hosts_leased > hosts as u64;
        self.poll_every = if has_leased { POLL_MIN } else { (self.poll_every * 2).min(POLL_MAX) };
        let pause = self.poll_every.mul_f64(0.5 + jitter / 2.0);
        self.poll_at = others_have_hosts.then(|| now + pause);
        self.counts = counts;
        self.counted_at = now;
    }
}

async fn refill<Q: WorkQueue>(
    queue: Arc<Q>,
    session: Session,
    wanted: Wanted,
    events: mpsc::Sender<Event>,
) -> Result<Refilled, QueueError> {
    let Wanted { releases, wanting_tasks, hosts } = wanted;
    let kept = if releases.is_empty() { Vec::new() } else { queue.release(&session, &releases).await? };
    if !releases.is_empty() && !events.is_closed() {
        let released = releases.iter().map(|release| release.host).filter(|host| !kept.contains(host));
        report_done(queue.records(&released.collect::<Vec<_>>()).await?, &events).await;
    }
    let leased = if hosts > 0 { queue.lease(&session, hosts).await? } else { Vec::new() };
    let mut loaded = Vec::new();
    // One call for all hosts that want the same number of tasks. In order, so that a simulation can be repeated.
    let mut by_number: BTreeMap<usize, Vec<HostId>> = BTreeMap::new();
    let new_hosts = leased.iter().map(|leased| (leased.host.id(), FIRST_TASKS));
    for (host, n) in wanting_tasks.into_iter().chain(new_hosts) {
        by_number.entry(n).or_default().push(host);
    }
    for (n, hosts) in by_number {
        loaded.extend(queue.load(&session, &hosts, n).await?);
    }
    let totals = Totals {
        counts: queue.counts().await?,
        workers: queue.workers().await?,
        has_leased: !leased.is_empty(),
        is_full: hosts > 0 && leased.len() == hosts,
    };
    Ok(Refilled { releases, kept, leased, loaded, totals })
}

/// Tells the caller of those of the released hosts that have nothing left to do. Waits while the caller is slow.
async fn report_done(released: Vec<HostRecord>, events: &mpsc::Sender<Event>) {
    for host in released {
        if host.is_site && (host.account.unfinished() == 0 || host.parked) {
            // Fails when the caller reads no further events.
            let _ = events.send(Event::Host(host.into())).await;
        }
    }
}

/// The share of the hosts of one of `workers` workers.
fn share(counts: &Counts, workers: u64) -> usize {
    let busy = counts.hosts.saturating_sub(counts.hosts_done + counts.hosts_parked);
    let share = if workers > 1 { busy.div_ceil(workers).max(1) } else { u64::MAX };
    usize::try_from(share).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_something_to_do_are_shared_out_among_many_workers_only() {
        let counts = Counts { hosts: 13, hosts_done: 2, hosts_parked: 1, ..Counts::default() };
        assert_eq!(share(&counts, 1), usize::MAX);
        assert_eq!(share(&counts, 3), 4);
        assert_eq!(share(&Counts::default(), 3), 1, "each worker may take the first host");
    }
}
